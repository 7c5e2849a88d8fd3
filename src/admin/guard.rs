//! Who may ask: no page of another site, under no name that is not ours.
//!
//! A browser is the one stranger that reaches a loopback port. Two things stop it. The name in `Host` must be ours, so
//! that a site cannot point its own name at 127.0.0.1 and read answers as its own (DNS rebinding). And what a page of
//! another origin asks for is refused by what browsers say of it: `Sec-Fetch-Site` (W3C Fetch Metadata) and, for
//! requests that change something, `Origin`.

use std::net::{IpAddr, Ipv6Addr};

use super::request::{Door, Request};
use super::response::Response;

/// The header that a script sends to show that it is no page of another site: a browser would ask first, by a request
/// with `OPTIONS`, and gets no permission.
const OWN_HEADER: &str = "X-Bufslab";

/// Names the program allows, besides those that are always ours.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) names: Vec<String>,
    pub(super) any: bool,
}

impl Hosts {
    /// The answer to a request that may not be answered otherwise.
    pub(super) fn refuse(&self, request: &Request<'_>) -> Option<Response> {
        self.refuse_host(request).or_else(|| refuse_site(request)).or_else(|| self.refuse_origin(request))
    }

    fn refuse_host(&self, request: &Request<'_>) -> Option<Response> {
        if request.values("host").count() > 1 {
            return Some(Response::text(400, "the request has several Host headers: it must have one"));
        }
        let named = request.values("host").map(String::from_utf8_lossy);
        for name in named.chain(request.authority().map(Into::into)) {
            if !self.is_ours(name.trim(), request.door()) {
                return Some(foreign_host(&name, request.door()));
            }
        }
        // No browser leaves out the host, so none was led here.
        None
    }

    fn is_ours(&self, authority: &str, door: Door) -> bool {
        if self.any || door == Door::Unix {
            return true;
        }
        let Some(host) = host_of(authority) else { return false };
        if host.eq_ignore_ascii_case("localhost") || self.allows(host) {
            return true;
        }
        let Some(address) = literal(host) else { return false };
        address.is_loopback() || matches!(door, Door::Tcp(own) if own.ip().to_canonical() == address)
    }

    fn allows(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    /// What changes something must not come from another origin's page (cross-site request forgery).
    fn refuse_origin(&self, request: &Request<'_>) -> Option<Response> {
        if matches!(request.method(), "GET" | "HEAD") || request.values(OWN_HEADER).next().is_some() {
            return None;
        }
        // Without one, no page has sent it.
        request.values("origin").next()?;
        let origin = request.value("origin").unwrap_or("");
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        let ours = authority.is_some_and(|authority| {
            let same = request.value("host").is_some_and(|host| host.eq_ignore_ascii_case(authority));
            same || host_of(authority).is_some_and(|host| self.allows(host))
        });
        (!ours).then(|| {
            let text = format!(
                "this page's origin may not change anything here: ask from the console's own pages, without an Origin \
                 header, or with the header {OWN_HEADER}: 1"
            );
            Response::text(403, text)
        })
    }
}

/// What a page of another site loads behind the reader's back. Following a link is no such thing.
fn refuse_site(request: &Request<'_>) -> Option<Response> {
    let site = request.value("sec-fetch-site")?;
    let own = matches!(site, "same-origin" | "none") || request.values(OWN_HEADER).next().is_some();
    let reads = matches!(request.method(), "GET" | "HEAD");
    let follows_link = reads && request.value("sec-fetch-mode") == Some("navigate");
    (!own && !follows_link).then(|| Response::text(403, "pages of other sites may not load this"))
}

/// The host of `host:port`; `None` if it is neither a name nor an address.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { "" } else { port.strip_prefix(':')? })
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
    (plain && port.bytes().all(|b| b.is_ascii_digit())).then_some(host)
}

fn literal(host: &str) -> Option<IpAddr> {
    host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn foreign_host(name: &str, door: Door) -> Response {
    let shown: String = name.chars().take(100).flat_map(char::escape_debug).collect();
    let own = match door {
        Door::Tcp(own) if !own.ip().is_loopback() => format!(" or {}", own.ip()),
        _ => String::new(),
    };
    let text = format!(
        "the host \"{shown}\" is not this console's: ask for localhost{own}, or let the program call \
         allow_host(\"...\") with this name (it is checked so that no web site can pass its own name off as this \
         address)"
    );
    Response::text(421, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, request: &Request<'_>) -> u16 {
        hosts.refuse(request).map_or(200, |response| response.status())
    }

    #[test]
    fn hosts_that_are_ours_and_others() {
        let hosts = Hosts { names: vec!["admin.example".to_owned()], any: false };
        let outside = Door::Tcp("192.0.2.7:6060".parse().unwrap());
        let loopback = Door::Tcp("127.0.0.1:6060".parse().unwrap());
        let mapped = Door::Tcp("[::ffff:192.0.2.7]:6060".parse().unwrap());
        for (host, door, expected) in [
            ("localhost", loopback, 200),
            ("LOCALHOST.:1", loopback, 200),
            ("127.0.0.1:6060", loopback, 200),
            ("127.8.9.1", Door::Unknown, 200),
            ("[::1]:6060", loopback, 200),
            ("[::ffff:127.0.0.1]", loopback, 200),
            ("Admin.Example:443", loopback, 200),
            ("192.0.2.7", outside, 200),
            ("192.0.2.7:80", mapped, 200),
            ("anything at all", Door::Unix, 200),
            ("192.0.2.7", loopback, 421),
            ("192.0.2.8", outside, 421),
            ("192.0.2.7", Door::Unknown, 421),
            ("evil.example", loopback, 421),
            ("localhost.evil.example", loopback, 421),
            ("evil.example#localhost", loopback, 421),
            ("user@localhost", loopback, 421),
            ("localhost:80:80", loopback, 421),
            ("localhost:port", loopback, 421),
            ("[localhost]", loopback, 421),
            ("[127.0.0.1]x", loopback, 421),
            ("::1", loopback, 421),
            ("", loopback, 421),
            ("\u{1b}[31m", loopback, 421),
        ] {
            let request = Request::new("GET", "/").header("Host", host.as_bytes()).through(door);
            assert_eq!(status(&hosts, &request), expected, "{host:?} through {door:?}");
        }
        let any = Hosts { any: true, ..Hosts::default() };
        assert_eq!(status(&any, &Request::new("GET", "/").header("host", b"evil.example")), 200);
    }

    #[test]
    fn a_host_in_the_target_counts_as_well_and_two_headers_are_one_too_many() {
        let hosts = Hosts::default();
        let absolute = Request::new("GET", "http://evil.example/").header("host", b"localhost");
        assert_eq!(status(&hosts, &absolute), 421);
        assert_eq!(status(&hosts, &Request::new("GET", "http://localhost:1/")), 200);
        let twice = Request::new("GET", "/").header("host", b"localhost").header("HOST", b"localhost");
        assert_eq!(status(&hosts, &twice), 400);
        assert_eq!(status(&hosts, &Request::new("GET", "/")), 200, "as HTTP/1.0 has it");
    }

    #[test]
    fn origins_of_what_changes_something() {
        let hosts = Hosts { names: vec!["admin.example".to_owned()], any: false };
        for (method, origin, expected) in [
            ("POST", "http://localhost:6060", 200),
            ("POST", "https://admin.example", 200),
            ("GET", "http://evil.example", 200),
            ("POST", "http://localhost:3000", 403),
            ("POST", "http://evil.example", 403),
            ("POST", "null", 403),
            ("POST", "", 403),
            ("DELETE", "http://evil.example", 403),
        ] {
            let request = Request::new(method, "/")
                .header("host", b"localhost:6060")
                .header("origin", origin.as_bytes())
                .through(Door::Unknown);
            assert_eq!(status(&hosts, &request), expected, "{method} from {origin:?}");
            assert_eq!(status(&hosts, &request.header("x-bufslab", b"1")), 200);
        }
        assert_eq!(status(&hosts, &Request::new("POST", "/")), 200, "curl sends no origin");
    }

    #[test]
    fn what_other_sites_load() {
        let hosts = Hosts::default();
        for (method, site, mode, expected) in [
            ("GET", "same-origin", "cors", 200),
            ("GET", "none", "navigate", 200),
            ("GET", "cross-site", "navigate", 200),
            ("GET", "cross-site", "no-cors", 403),
            ("GET", "same-site", "no-cors", 403),
            ("POST", "cross-site", "navigate", 403),
            ("POST", "same-origin", "cors", 200),
        ] {
            let request = Request::new(method, "/")
                .header("sec-fetch-site", site.as_bytes())
                .header("sec-fetch-mode", mode.as_bytes());
            assert_eq!(status(&hosts, &request), expected, "{method} {site} {mode}");
        }
    }
}
