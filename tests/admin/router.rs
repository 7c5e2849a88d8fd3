//! The console in a program that has axum.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use axum::routing::get;
use bufslab::admin::{Console, router};
use bufslab::{Level, SlabBytes, SlabPool};
use tower::ServiceExt;

use crate::help::{Answer, leaking};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn app() -> (Router, SlabPool, Vec<SlabBytes>) {
    let (pool, kept) = leaking("http", 3);
    let console = Console::builder().pool(&pool).allow_level_changes(true).build().unwrap();
    (Router::new().route("/", get(|| async { "the program's own" })).merge(router(console)), pool, kept)
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(target).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn body(response: Response<Body>) -> String {
    String::from_utf8_lossy(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).into_owned()
}

#[test]
fn every_address_but_the_programs_own() {
    let (app, _pool, _kept) = app();
    runtime().block_on(async {
        for (target, content_type, begins) in [
            ("/", "text/plain; charset=utf-8", "the program's own"),
            ("/debug/", "text/html; charset=utf-8", "<!doctype html>"),
            ("/debug/slabs", "text/plain; charset=utf-8", "3 slabs pinned"),
            ("/debug/slabs?short", "text/plain; charset=utf-8", "3 slabs pinned"),
            ("/debug/slabs.json", "application/json", "{\n\"schema\""),
            ("/debug/slabs.html", "text/html; charset=utf-8", "<!doctype html>"),
            ("/debug/slabs.heapsnapshot", "application/json", "{\"snapshot\""),
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP"),
            ("/debug/slabs/diff", "text/plain; charset=utf-8", ""),
        ] {
            let response = app.clone().oneshot(request("GET", target, &[])).await.unwrap();
            assert_eq!(response.status(), 200, "{target}");
            assert_eq!(response.headers()["content-type"], content_type, "{target}");
            if target != "/" {
                assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            }
            assert!(body(response).await.starts_with(begins), "{target}");
        }
        let missing = app.clone().oneshot(request("GET", "/debug/slab", &[])).await.unwrap();
        assert_eq!(missing.status(), 404);
        let head = app.clone().oneshot(request("HEAD", "/debug/slabs", &[])).await.unwrap();
        assert_eq!(head.status(), 200);
        assert!(body(head).await.is_empty());
    });
}

#[test]
fn the_same_guards_stand_at_the_door() {
    let (app, pool, _kept) = app();
    runtime().block_on(async {
        let ask = |request| app.clone().oneshot(request);
        let foreign =
            Request::builder().uri("/debug/slabs").header("host", "evil.example").body(Body::empty()).unwrap();
        assert_eq!(ask(foreign).await.unwrap().status(), 421);
        let absolute = Request::builder().uri("https://evil.example/debug/slabs").body(Body::empty()).unwrap();
        assert_eq!(ask(absolute).await.unwrap().status(), 421, "as HTTP/2 has it");
        let post = |headers: &'static [(&str, &str)]| ask(request("POST", "/debug/slabs/level?level=off", headers));
        assert_eq!(post(&[("origin", "http://evil.example")]).await.unwrap().status(), 403);
        assert_eq!(pool.tracking(), Level::Sites);
        assert_eq!(post(&[("origin", "http://localhost")]).await.unwrap().status(), 200);
        assert_eq!(pool.tracking(), Level::Off);

        let form =
            Request::post("/debug/slabs/level").header("host", "localhost").body(Body::from("level=sites")).unwrap();
        assert_eq!(ask(form).await.unwrap().status(), 200);
        assert_eq!(pool.tracking(), Level::Sites);
        let large = Request::post("/debug/slabs/level").header("host", "localhost").body(Body::from("x".repeat(2000)));
        assert_eq!(ask(large.unwrap()).await.unwrap().status(), 413);
    });
}

#[test]
fn nested_under_a_prefix_its_links_still_lead_somewhere() {
    let (pool, _kept) = leaking("http", 1);
    let console = Console::builder().pool(&pool).build().unwrap();
    let app = Router::new().nest("/admin", router(console));
    runtime().block_on(async {
        let index = app.clone().oneshot(request("GET", "/admin/debug/", &[])).await.unwrap();
        let page = body(index).await;
        let link = page.split("href=\"../").nth(1).unwrap().split('"').next().unwrap();
        let linked = app.clone().oneshot(request("GET", &format!("/admin/{link}"), &[])).await.unwrap();
        assert_eq!(linked.status(), 200, "{link}");
    });
}

#[test]
fn more_requests_than_threads_are_told_so() {
    let (app, _pool, _kept) = app();
    runtime().block_on(async {
        // Answers that nobody reads keep their threads: four hold a report each, the rest wait for one.
        let mut asked = Vec::new();
        for _ in 0..40 {
            let answer = tokio::spawn(app.clone().oneshot(request("GET", "/debug/slabs.json", &[])));
            asked.push(answer);
        }
        let mut statuses = Vec::new();
        let mut unread = Vec::new();
        for answer in asked {
            let response = answer.await.unwrap().unwrap();
            statuses.push(response.status().as_u16());
            unread.push(response);
        }
        assert!(statuses.contains(&200) && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
        drop(unread);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            let answer = app.clone().oneshot(request("GET", "/debug/slabs.json", &[])).await.unwrap();
            if answer.status() == 200 {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "no thread ever became free");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn axum_serves_it_over_a_real_socket() {
    let (app, _pool, _kept) = app();
    let runtime = runtime();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = runtime.spawn(async move { axum::serve(listener, app).await });
    for (method, target, framing) in [
        ("GET", "/debug/slabs.json", "transfer-encoding"),
        ("GET", "/debug/slabs/level", "content-length"),
        ("GET", "/debug/pprof/slabs", "transfer-encoding"),
        ("HEAD", "/debug/slabs/level", "content-length"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut out = Vec::new();
        stream.read_to_end(&mut out).unwrap();
        let answer = Answer::parse(&out, method == "HEAD");
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.header(framing).is_some(), "{target}: {answer:?}");
        if target.ends_with("json") {
            assert_eq!(answer.json()["totals"]["slabs"], 3);
        }
    }
    serving.abort();
}
