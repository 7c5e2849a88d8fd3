//! Heads of requests and responses. Of a head that was parsed without copying, each value, each name that is not a standard
//! one, and the URI are slices of the buffer that it was read into.

use super::compact::{CompactBytes, Compacted};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri, request, response};

/// Order, values of the same name and [`is_sensitive`](HeaderValue::is_sensitive) stay. Standard names hold nothing and are
/// not copied.
///
/// ```
/// use bufslab::CompactBytes;
/// use bytes::Bytes;
/// use http::HeaderMap;
/// use http::header::{COOKIE, HeaderValue};
///
/// let read = Bytes::from(vec![b'c'; 1 << 20]); // a read buffer
/// let mut headers = HeaderMap::new();
/// headers.insert(COOKIE, HeaderValue::from_maybe_shared(read.slice(..20))?);
/// drop(read);
///
/// let compacted = headers.compact_in_place(); // a MiB goes
/// assert_eq!((compacted.values, compacted.bytes), (1, 20));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
impl CompactBytes for HeaderMap {
    fn compact_in_place(&mut self) -> Compacted {
        let mut sum = Compacted::default();
        // Names cannot be changed in their map: the entries move to a new one, in order.
        let entries = core::mem::take(self);
        let mut fresh = HeaderMap::with_capacity(entries.keys_len());
        let mut current: Option<HeaderName> = None;
        for (name, mut value) in entries {
            if let Some(mut name) = name {
                sum += name.compact_in_place();
                current = Some(name);
            }
            sum += value.compact_in_place();
            if let Some(name) = &current {
                fresh.append(name.clone(), value);
            }
        }
        *self = fresh;
        sum
    }
}

/// A standard name holds nothing and is not copied.
impl CompactBytes for HeaderName {
    fn compact_in_place(&mut self) -> Compacted {
        let Ok(copy) = HeaderName::from_bytes(self.as_str().as_bytes()) else { return Compacted::left() };
        if core::ptr::eq(copy.as_str(), self.as_str()) {
            // Both are the same static text: a standard name.
            return Compacted::default();
        }
        *self = copy;
        Compacted::one(self.as_str().len())
    }
}

/// Stays [sensitive](HeaderValue::is_sensitive) if it was.
impl CompactBytes for HeaderValue {
    fn compact_in_place(&mut self) -> Compacted {
        let Ok(mut copy) = HeaderValue::from_bytes(self.as_bytes()) else { return Compacted::left() };
        copy.set_sensitive(self.is_sensitive());
        *self = copy;
        Compacted::one(self.len())
    }
}

/// Authority, path and query, which are slices of one buffer, become slices of one copy. `/` and `*` hold nothing.
impl CompactBytes for Uri {
    fn compact_in_place(&mut self) -> Compacted {
        let text = self.to_string();
        if matches!(&text[..], "/" | "*" | "") {
            return Compacted::default();
        }
        let len = text.len();
        // Without a reserve at its end: that would be kept as well.
        match Uri::from_maybe_shared(Bytes::from(text.into_boxed_str().into_boxed_bytes())) {
            Ok(copy) if copy == *self => {
                *self = copy;
                Compacted::one(len)
            }
            _ => Compacted::left(),
        }
    }
}

/// URI and headers. What else is in the extensions stays as it is.
impl CompactBytes for request::Parts {
    fn compact_in_place(&mut self) -> Compacted {
        self.uri.compact_in_place() + self.headers.compact_in_place()
    }
}

/// The headers, and (feature `hyper`) the reason phrase that hyper leaves in the extensions. What else is there stays as it
/// is.
impl CompactBytes for response::Parts {
    fn compact_in_place(&mut self) -> Compacted {
        self.headers.compact_in_place() + reason(&mut self.extensions)
    }
}

/// As for its [`request::Parts`]; the body is not touched.
impl<B> CompactBytes for Request<B> {
    fn compact_in_place(&mut self) -> Compacted {
        self.uri_mut().compact_in_place() + self.headers_mut().compact_in_place()
    }
}

/// As for its [`response::Parts`]; the body is not touched.
impl<B> CompactBytes for Response<B> {
    fn compact_in_place(&mut self) -> Compacted {
        self.headers_mut().compact_in_place() + reason(self.extensions_mut())
    }
}

#[cfg(feature = "hyper")]
fn reason(extensions: &mut http::Extensions) -> Compacted {
    use hyper::ext::ReasonPhrase;
    let Some(reason) = extensions.get_mut::<ReasonPhrase>() else { return Compacted::default() };
    let Ok(copy) = ReasonPhrase::try_from(reason.as_bytes()) else { return Compacted::left() };
    *reason = copy;
    Compacted::one(reason.as_bytes().len())
}

#[cfg(not(feature = "hyper"))]
fn reason(_: &mut http::Extensions) -> Compacted {
    Compacted::default()
}
