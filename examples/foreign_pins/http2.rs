//! HTTP/2: what a server of the crate `h2` keeps of its requests.

use super::{KEPT, SMALL, session};
use anyhow::{Context, Result};
use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderValue, Request, Response, Uri};
use std::future::Future;
use tokio::net::{TcpListener, TcpStream};

/// Frames as large as the server lets them be.
const FRAME: u32 = 256 * 1024;

/// The values of a small header beside a large cookie: what h2#923 was about.
pub(crate) async fn header_values() -> Result<Vec<HeaderValue>> {
    exchange(Bytes::new(), async |request| Ok(request.headers().get("x-session").context("a session")?.clone())).await
}

/// The URIs of the same requests: made of header fields (`:path`, `:authority`) that are still decoded into shared buffers.
pub(crate) async fn uris() -> Result<Vec<Uri>> {
    exchange(Bytes::new(), async |request| Ok(request.uri().clone())).await
}

/// Of each body the first bytes, as a parser of a record's head keeps them.
pub(crate) async fn first_bytes_of_data() -> Result<Vec<Bytes>> {
    exchange(Bytes::from(vec![b'.'; FRAME as usize]), async |mut request| {
        let body = request.body_mut();
        let first = body.data().await.context("a body")??;
        body.flow_control().release_capacity(first.len())?;
        let kept = first.slice(..SMALL.len());
        drop(first);
        while let Some(more) = body.data().await {
            body.flow_control().release_capacity(more?.len())?;
        }
        Ok(kept)
    })
    .await
}

/// Sends requests with `body` over one connection, and returns what `keep` keeps of each when the connection is gone.
async fn exchange<T, F>(body: Bytes, keep: impl Fn(Request<RecvStream>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = tokio::spawn(client(TcpStream::connect(listener.local_addr()?).await?, body));
    let (stream, _) = listener.accept().await?;
    let mut settings = h2::server::Builder::new();
    settings.max_frame_size(FRAME).initial_window_size(4 * FRAME).initial_connection_window_size(4 * FRAME);
    let mut connection = settings.handshake::<_, Bytes>(stream).await?;
    let mut kept = Vec::new();
    let mut handlers = Vec::new();
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted?;
        let keeping = keep(request);
        // The connection has to go on for the body to come.
        handlers.push(tokio::spawn(async move {
            let value = keeping.await?;
            respond.send_response(Response::new(()), true)?;
            anyhow::Ok(value)
        }));
    }
    for handler in handlers {
        kept.push(handler.await??);
    }
    client.await??;
    Ok(kept)
}

async fn client(stream: TcpStream, body: Bytes) -> Result<()> {
    let (mut requests, connection) = h2::client::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    for number in 0..KEPT {
        requests = requests.ready().await?;
        let request = Request::post(format!("http://server.example/items/{number}"))
            .header("x-session", session(number))
            // Differs, so that it is sent whole each time.
            .header("cookie", format!("{number}-").repeat(1200))
            .body(())?;
        let (response, mut upload) = requests.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            upload.send_data(body.clone(), true)?;
        }
        response.await?;
    }
    drop(requests);
    connection.await??;
    Ok(())
}
