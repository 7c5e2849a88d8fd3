//! The console as a router for axum 0.8.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::routing::any;
use http_body::{Frame, SizeHint};

use super::console::Console;
use super::limits::MAX_BODY;
use super::pipe::{Reader, pipe};
use super::request::Request;
use super::response::Response;
use super::routes::PATHS;
use crate::sync::{AtomicUsize, Ordering};

/// Requests that may be answered at a time; each takes a thread.
const MAX_ANSWERS: usize = 16;
/// How long an answer may take in all, however the client reads it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The console's pages for a program that serves HTTP by axum: merge it into its router, or nest it.
///
/// It has every address of a [`Server`](super::Server) but `/`, which is the program's own (`/debug/` shows the index), and
/// the same bounds, but for connections and the reading of requests, which are axum's. No runtime is needed, and no
/// thread of one is blocked: each request gets a thread of its own, at most 16 at a time (then 503), which takes the
/// report and writes it piece by piece as the client reads.
///
/// **Nobody is asked for a password.** Put it behind the program's own authentication, or on a listener that only this
/// machine reaches. As it does not know where the program listens, it answers requests for loopback hosts only, until
/// [`allow_host`](super::ConsoleBuilder::allow_host) names others.
///
/// ```
/// use bufslab::admin::{Console, router};
///
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "the program's own page" }))
///     .merge(router(Console::new()));
/// # drop(app);
/// ```
pub fn router(console: Console) -> Router {
    let answers = Arc::new(AtomicUsize::new(0));
    let handler = any(move |method, uri, headers, body| {
        let (console, answers) = (console.clone(), Arc::clone(&answers));
        async move { answer(console, answers, method, uri, headers, body).await }
    });
    let own = PATHS.iter().filter(|(path, _)| *path != "/");
    own.fold(Router::new(), |router, (path, _)| router.route(path, handler.clone()))
}

async fn answer(
    console: Console,
    answers: Arc<AtomicUsize>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> axum::http::Response<Body> {
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return at_once(Response::text(413, format!("a request's body may have {MAX_BODY} bytes")));
    };
    let Some(turn) = Turn::take(answers) else {
        let text = format!("{MAX_ANSWERS} requests are being answered, and no more are at a time: try again soon");
        return at_once(Response::text(503, text).with("Retry-After", "1"));
    };
    let (mut writer, reader) = pipe(PATIENCE);
    let work = move || {
        let _turn = turn;
        // What panics has told standard error, and a reader that is left with half an answer notices.
        let _ = catch_unwind(AssertUnwindSafe(move || {
            let target = uri.to_string();
            let response = console.respond(&request(&method, &target, &headers, &body));
            writer.head(Head::of(&response));
            if method != Method::HEAD {
                response.write_body(&mut writer)?;
            }
            writer.finish()
        }));
    };
    if thread::Builder::new().name("bufslab-client".to_owned()).spawn(work).is_err() {
        return at_once(Response::text(503, "there is no thread to answer this: try again soon"));
    }
    match poll_fn(|context| reader.poll_head(context)).await {
        Some(head) => {
            let len = head.len;
            head.response(Body::new(Written { reader, len }))
        }
        None => at_once(Response::text(500, "answering this panicked; the program's standard error says where")),
    }
}

fn request<'a>(method: &'a Method, target: &'a str, headers: &'a HeaderMap, body: &'a Bytes) -> Request<'a> {
    let request = Request::new(method.as_str(), target).body(body);
    headers.iter().fold(request, |request, (name, value)| request.header(name.as_str(), value.as_bytes()))
}

/// What is known of an answer before its body.
struct Head {
    status: u16,
    headers: Vec<(&'static str, String)>,
    len: Option<u64>,
}

impl Head {
    fn of(response: &Response) -> Head {
        let len = response.body_len().map(|len| len as u64);
        Head { status: response.status(), headers: response.headers().to_vec(), len }
    }

    fn response(self, body: Body) -> axum::http::Response<Body> {
        let mut response = axum::http::Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            let header = (HeaderName::try_from(name), HeaderValue::try_from(value));
            if let (Ok(name), Ok(value)) = header {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// An answer that takes no report.
fn at_once(response: Response) -> axum::http::Response<Body> {
    let head = Head::of(&response);
    let mut body = Vec::new();
    // A `Vec` never refuses.
    let _ = response.write_body(&mut body);
    head.response(Body::from(body))
}

/// One of the few answers at a time.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(answers: Arc<AtomicUsize>) -> Option<Turn> {
        // Relaxed: a count, ordered with nothing.
        let more = |taken: usize| (taken < MAX_ANSWERS).then_some(taken + 1);
        answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Turn(answers))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that a thread writes.
struct Written {
    reader: Reader<Head>,
    /// What is left of it, if that is known.
    len: Option<u64>,
}

impl HttpBody for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = self.reader.poll_next(context);
        if let (Poll::Ready(Some(Ok(piece))), Some(len)) = (&polled, &mut self.len) {
            *len = len.saturating_sub(piece.len() as u64);
        }
        polled.map_ok(Frame::data)
    }

    fn size_hint(&self) -> SizeHint {
        self.len.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
