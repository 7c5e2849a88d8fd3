//! What a server keeps, and the `Bytes` in it.

use bufslab::CompactBytes;
use bytes::Bytes;
use http::{HeaderValue, Uri};
use hyper::upgrade::Parts;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tungstenite::Message;

/// Something that a server keeps, of which some bytes are of interest.
pub(crate) trait Kept: CompactBytes {
    /// The bytes, without a copy: where the type shows no `Bytes`, a clone of it becomes the owner of one.
    fn bytes(&self) -> Bytes;

    /// Gives the bytes up.
    fn empty(&mut self);
}

impl Kept for Bytes {
    fn bytes(&self) -> Bytes {
        self.clone()
    }

    fn empty(&mut self) {
        *self = Bytes::new();
    }
}

impl Kept for HeaderValue {
    fn bytes(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }

    fn empty(&mut self) {
        *self = HeaderValue::from_static("");
    }
}

/// A URI as the owner of its path and query.
struct Path(Uri);

impl AsRef<[u8]> for Path {
    fn as_ref(&self) -> &[u8] {
        self.0.path_and_query().map_or(b"", |path| path.as_str().as_bytes())
    }
}

impl Kept for Uri {
    fn bytes(&self) -> Bytes {
        Bytes::from_owner(Path(self.clone()))
    }

    fn empty(&mut self) {
        *self = Uri::default();
    }
}

impl Kept for Parts<TokioIo<TcpStream>> {
    fn bytes(&self) -> Bytes {
        self.read_buf.clone()
    }

    fn empty(&mut self) {
        self.read_buf = Bytes::new();
    }
}

impl Kept for Message {
    fn bytes(&self) -> Bytes {
        match self {
            Message::Binary(payload) => payload.clone(),
            other => unreachable!("only binary messages are kept: {other:?}"),
        }
    }

    fn empty(&mut self) {
        *self = Message::Binary(Bytes::new());
    }
}
