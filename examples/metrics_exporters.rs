//! Pools in the metrics that a program has already, by `prometheus-client` and by the facade `metrics`:
//! `cargo run --example metrics_exporters --features metrics,prometheus-client -- --listen 127.0.0.1:9100 --seconds 60`.
//!
//! | address | what |
//! |---|---|
//! | `/metrics` | a registry of `prometheus-client` with a `SlabCollector`, in the OpenMetrics format |
//! | `/facade` | `metrics-exporter-prometheus` behind the facade, told by `SlabMetrics` |
//! | `/text` | our own text, which needs neither |
//!
//! Meanwhile sessions come, and keep the 20-byte heads of their requests. The first line says where it listens. Answers
//! one at a time, and is no server to copy: see `admin::Server` for one that bears the network.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bufslab::report::{Format, PoolMetrics, write_prometheus_all};
use bufslab::{SlabCollector, SlabMetrics, SlabPool};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

struct Exporters {
    pools: Vec<SlabPool>,
    registry: Registry,
    facade: Mutex<SlabMetrics>,
    handle: PrometheusHandle,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut listen = "127.0.0.1:0".to_owned();
    let mut seconds = 60;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value"));
        match arg.as_str() {
            "--listen" => listen = value()?,
            "--seconds" => seconds = value()?.parse()?,
            _ => return Err(format!("{arg} is not known: --listen ADDRESS, --seconds NUMBER").into()),
        }
    }

    let pools = vec![
        SlabPool::builder().name("requests").slab_size(64 << 10).max_bytes(1 << 30).build()?,
        SlabPool::builder().name("replies").slab_size(16 << 10).build()?,
    ];

    // What a program has anyway.
    let handle = PrometheusBuilder::new().install_recorder()?;
    let mut registry = Registry::default();

    // What pools add to it.
    registry.register_collector(Box::new(SlabCollector::of_pools(&pools)));
    let facade = Mutex::new(SlabMetrics::of_pools(&pools));

    let exporters = Arc::new(Exporters { pools: pools.clone(), registry, facade, handle });
    let listener = TcpListener::bind(&listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // Who hangs up early has nobody to tell.
            let _ = answer(&client, &exporters);
        }
    });
    serve_sessions(&pools, Duration::from_secs(seconds));
    Ok(())
}

/// A session every 20 ms, each of which keeps its request's head.
fn serve_sessions(pools: &[SlabPool], time: Duration) {
    let (start, mut kept) = (Instant::now(), Vec::new());
    // A name may be anything, as one that comes from a client is.
    for odd in ["say \"hi\" to C:\\temp", "bell\u{7}"] {
        let mut reply = pools[1].alloc(1 << 10);
        reply.resize(1 << 10, b'.');
        kept.push(reply.freeze().tag(odd));
    }
    for id in 0.. {
        if start.elapsed() >= time {
            break;
        }
        let _session = pools[0].scope("ws_session", id);
        let mut request = pools[0].alloc(32 << 10);
        request.resize(32 << 10, b'.');
        kept.push(request.freeze().slice(..20).tag("req.head"));
        let mut reply = pools[1].alloc(1 << 10);
        reply.resize(1 << 10, b'.');
        drop(reply.freeze().tag("reply"));
        thread::sleep(Duration::from_millis(20));
    }
}

fn answer(mut client: &TcpStream, exporters: &Exporters) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(2)))?;
    client.set_write_timeout(Some(Duration::from_secs(2)))?;
    let mut lines = BufReader::new(client).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The headers; none of them changes the answer.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (status, kind, page) = match request.split(' ').nth(1) {
        Some("/metrics") => {
            let mut page = String::new();
            encode(&mut page, &exporters.registry).map_err(io::Error::other)?;
            ("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8", page.into_bytes())
        }
        Some("/facade") => {
            exporters.facade.lock().map_err(|_| io::ErrorKind::Other)?.record();
            ("200 OK", Format::Prometheus.content_type(), exporters.handle.render().into_bytes())
        }
        Some("/text") => {
            let metrics: Vec<PoolMetrics> = exporters.pools.iter().map(PoolMetrics::of).collect();
            let mut page = Vec::new();
            write_prometheus_all(&metrics, &mut page)?;
            ("200 OK", Format::Prometheus.content_type(), page)
        }
        _ => ("404 Not Found", "text/plain", b"/metrics, /facade, /text\n".to_vec()),
    };
    write!(client, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", page.len())?;
    write!(client, "Connection: close\r\n\r\n")?;
    client.write_all(&page)
}
