//! HTTP/1: what a server of the crate `hyper` keeps of its requests. The shape of hyper#4060.

use super::{KEPT, SMALL, session};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Parts;
use hyper_util::rt::TokioIo;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A large upload: hyper reads it into ever larger buffers, and whatever comes next on the connection too.
const UPLOAD: usize = 8 << 20;

/// What the connections leave behind.
#[derive(Default)]
struct Left {
    values: Vec<HeaderValue>,
    upgraded: Vec<Parts<TokioIo<TcpStream>>>,
}

/// A small value beside a large one in the same head.
pub(crate) async fn values_in_large_heads() -> Result<Vec<HeaderValue>> {
    let cookie = "c".repeat(60_000);
    let request =
        format!("GET / HTTP/1.1\r\nhost: server.example\r\nx-session: {}\r\ncookie: {cookie}\r\n\r\n", session(0));
    Ok(connections(&[request.as_bytes()]).await?.values)
}

/// A small head, read into the buffer that an upload on the same connection had made large.
pub(crate) async fn values_after_an_upload() -> Result<Vec<HeaderValue>> {
    let request = format!("GET / HTTP/1.1\r\nhost: server.example\r\nx-session: {}\r\n\r\n", session(0));
    Ok(connections(&[&upload(), request.as_bytes()]).await?.values)
}

/// The first packet of the new protocol, sent right behind the request for the upgrade.
pub(crate) async fn first_packets() -> Result<Vec<Parts<TokioIo<TcpStream>>>> {
    let request =
        format!("GET / HTTP/1.1\r\nhost: server.example\r\nconnection: upgrade\r\nupgrade: demo\r\n\r\n{SMALL}");
    let upgraded = connections(&[&upload(), request.as_bytes()]).await?.upgraded;
    ensure!(upgraded.iter().all(|parts| parts.read_buf == SMALL), "the first packet came with the head");
    Ok(upgraded)
}

fn upload() -> Vec<u8> {
    let mut request =
        format!("POST / HTTP/1.1\r\nhost: server.example\r\ncontent-length: {UPLOAD}\r\n\r\n").into_bytes();
    request.resize(request.len() + UPLOAD, b'.');
    request
}

/// Makes one connection after the other, and on each sends these requests.
async fn connections(requests: &[&[u8]]) -> Result<Left> {
    let left = Arc::new(Mutex::new(Left::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    for _ in 0..KEPT {
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (stream, _) = listener.accept().await?;
        let server = tokio::spawn(serve(stream, Arc::clone(&left)));
        send(client, requests).await?;
        server.await??;
    }
    Ok(std::mem::take(&mut *left.lock().unwrap()))
}

/// Sends each request when the one before is answered.
async fn send(mut stream: TcpStream, requests: &[&[u8]]) -> Result<()> {
    for request in requests {
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await?;
            answer.push(byte[0]);
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.1 101"), "an unexpected answer");
    }
    Ok(())
}

async fn serve(stream: TcpStream, left: Arc<Mutex<Left>>) -> Result<()> {
    let (upgrades, mut upgrade) = tokio::sync::mpsc::unbounded_channel();
    let service = {
        let left = Arc::clone(&left);
        service_fn(move |request| answer(request, Arc::clone(&left), upgrades.clone()))
    };
    let settings = hyper::server::conn::http1::Builder::new();
    settings.serve_connection(TokioIo::new(stream), service).with_upgrades().await?;
    // The connection is gone, and with it the service and its end of the channel.
    while let Some(on_upgrade) = upgrade.recv().await {
        let on_upgrade: hyper::upgrade::OnUpgrade = on_upgrade;
        let parts = on_upgrade.await?.downcast::<TokioIo<TcpStream>>().ok().context("the stream that was given")?;
        left.lock().unwrap().upgraded.push(parts);
    }
    Ok(())
}

async fn answer(
    mut request: Request<Incoming>,
    left: Arc<Mutex<Left>>,
    upgrades: tokio::sync::mpsc::UnboundedSender<hyper::upgrade::OnUpgrade>,
) -> Result<Response<Empty<Bytes>>> {
    if request.method() == Method::POST {
        while let Some(frame) = request.body_mut().frame().await {
            drop(frame?);
        }
    } else if request.headers().contains_key("upgrade") {
        upgrades.send(hyper::upgrade::on(&mut request)).ok().context("the connection waits for it")?;
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
        response.headers_mut().insert("upgrade", HeaderValue::from_static("demo"));
        return Ok(response);
    } else {
        let value = request.headers().get("x-session").context("a session")?.clone();
        left.lock().unwrap().values.push(value);
    }
    Ok(Response::new(Empty::new()))
}
