//! A request as the console wants to see it, and what its target says.

use std::net::SocketAddr;

/// The door a request came through: it decides which `Host` headers belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Door {
    /// A TCP connection whose own end has this address.
    Tcp(SocketAddr),
    /// A unix socket. No browser reaches one, so any `Host` will do.
    Unix,
    /// Somebody else's server, such as axum: only loopback names pass, and those that the program allows.
    #[default]
    Unknown,
}

/// A request for a [`Console`](super::Console), from whatever server read it.
///
/// ```
/// use bufslab::admin::{Console, Request};
///
/// let request = Request::new("GET", "/debug/slabs.csv?pool=global").header("host", b"localhost:6060");
/// assert_eq!(Console::new().respond(&request).status(), 200);
/// ```
#[derive(Clone, Debug)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
    body: &'a [u8],
    door: Door,
}

impl<'a> Request<'a> {
    /// A request with no header and no body. The target is what stands in the request's first line: a path with its
    /// query, or an absolute `http://` address.
    #[must_use]
    pub fn new(method: &'a str, target: &'a str) -> Self {
        Request { method, target, headers: Vec::new(), body: &[], door: Door::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a [u8]) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Gives it a body. What a form sends (`level=counters`) counts as if it stood in the query.
    #[must_use]
    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// Says where it came in. Default: [`Door::Unknown`].
    #[must_use]
    pub fn through(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    pub(super) fn method(&self) -> &'a str {
        self.method
    }

    pub(super) fn door(&self) -> Door {
        self.door
    }

    /// The header's values, in their order.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, '_> {
        let same = name.to_owned();
        self.headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(&same)).map(|(_, value)| *value)
    }

    /// The header's value, trimmed, if it stands there once and is text.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        let mut values = self.values(name);
        let first = values.next()?;
        if values.next().is_some() {
            return None;
        }
        core::str::from_utf8(first).ok().map(str::trim)
    }

    /// Whether a comma-separated header names `token`.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        let named = |value: &[u8]| {
            let text = String::from_utf8_lossy(value);
            text.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
        };
        self.values(name).any(named)
    }

    /// The target's host and port, if it is an absolute address (RFC 9112, 3.2.2).
    pub(super) fn authority(&self) -> Option<&'a str> {
        let rest = strip_scheme(self.target)?;
        Some(rest.split(['/', '?', '#']).next().unwrap_or(""))
    }

    /// The target's path, as it is written.
    pub(super) fn path(&self) -> &'a str {
        let from_path = match strip_scheme(self.target) {
            Some(rest) => match rest.find(['/', '?', '#']) {
                Some(at) => &rest[at..],
                None => "/",
            },
            None => self.target,
        };
        from_path.split(['?', '#']).next().unwrap_or("")
    }

    fn query(&self) -> &'a str {
        let target = self.target.split('#').next().unwrap_or("");
        target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The parameter called `name`, decoded: from the query, or else from the body of a form.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let in_body = || {
            let is_form =
                self.value("content-type").is_none_or(|kind| kind.starts_with("application/x-www-form-urlencoded"));
            let body = core::str::from_utf8(self.body).ok().filter(|_| is_form)?;
            find_parameter(body.trim(), name)
        };
        find_parameter(self.query(), name).or_else(in_body)
    }
}

fn strip_scheme(target: &str) -> Option<&str> {
    let strip = |scheme: &str| {
        let (front, rest) = target.split_at_checked(scheme.len())?;
        front.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    strip("http://").or_else(|| strip("https://"))
}

fn find_parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| decoded(key) == name).map(|(_, value)| decoded(value))
}

/// Undoes `application/x-www-form-urlencoded`; what is wrongly encoded stands for itself.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let escaped = match rest {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        bytes = rest;
        match (escaped, first) {
            (Some((high, low)), _) => {
                out.push(high << 4 | low);
                bytes = &rest[2..];
            }
            (None, b'+') => out.push(b' '),
            (None, other) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// `text` as one value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_in_all_their_forms() {
        for (target, authority, path, pool) in [
            ("/debug/slabs", None, "/debug/slabs", None),
            ("/debug/slabs?pool=a%20b&x", None, "/debug/slabs", Some("a b")),
            ("/?pool=%C3%A4+%", None, "/", Some("ä %")),
            ("/?pool=%zz%f", None, "/", Some("%zz%f")),
            ("http://evil:80/metrics?pool=", Some("evil:80"), "/metrics", Some("")),
            ("HTTP://evil", Some("evil"), "/", None),
            ("https://evil/x", Some("evil"), "/x", None),
            ("http://evil?pool=x", Some("evil"), "", Some("x")),
            ("*", None, "*", None),
            ("", None, "", None),
            ("ä€://x", None, "ä€://x", None),
            ("/x#?pool=no", None, "/x", None),
        ] {
            let request = Request::new("GET", target);
            assert_eq!(request.authority(), authority, "{target}");
            assert_eq!(request.path(), path, "{target}");
            assert_eq!(request.parameter("pool").as_deref(), pool, "{target}");
        }
    }

    #[test]
    fn a_form_adds_parameters_and_the_query_wins() {
        let form = Request::new("POST", "/x?level=off").body(b"level=sites&pool=http\r\n");
        assert_eq!(form.parameter("level").as_deref(), Some("off"));
        assert_eq!(form.parameter("pool").as_deref(), Some("http"));
        let json = form.header("content-type", b"application/json");
        assert_eq!(json.parameter("pool"), None);
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for text in ["a b&c=d", "ä%", "", "plain-._~"] {
            assert_eq!(decoded(&encoded(text)), text);
        }
    }
}
