//! Where a report comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bufslab::PinReport;

use crate::args::AskArgs;
use crate::failure::Failure;
use crate::http::{self, Endpoint};
use crate::names::{first_line, harmless};
use crate::progress::{Counted, Meter};

/// A file, or a program that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Stdin,
    File(PathBuf),
    /// The path of what is asked for begins with a slash.
    Live(Endpoint, String),
}

/// Where a program shows its report as JSON, below whatever path its address has.
const REPORT: &str = "/debug/slabs.json";

impl Source {
    pub fn is_live(&self) -> bool {
        matches!(self, Source::Live(..))
    }

    /// The report as it is now. On a terminal, long work shows its progress.
    pub fn read(&self, ask: &AskArgs) -> Result<PinReport, Failure> {
        self.read_with(ask, Meter::on_terminal("reading"))
    }

    /// The same without a word.
    pub fn read_quietly(&self, ask: &AskArgs) -> Result<PinReport, Failure> {
        self.read_with(ask, Meter::silent())
    }

    fn read_with(&self, ask: &AskArgs, meter: Meter) -> Result<PinReport, Failure> {
        let report = match self {
            Source::Stdin => self.parse(io::stdin().lock(), None, meter)?,
            Source::File(path) => {
                let file = File::open(path).map_err(|error| self.cannot_open(path, &error))?;
                let length = file.metadata().ok().filter(|data| data.is_file()).map(|data| data.len());
                self.parse(file, length, meter)?
            }
            Source::Live(endpoint, path) => {
                let path = with_pool(path, ask.pool.as_deref());
                let answer = http::get(endpoint, &path, ask.timeout)
                    .map_err(|error| Failure::new(format!("{self}: {error}")))?;
                self.parse(answer.body, answer.length, meter)?
            }
        };
        match &ask.pool {
            Some(wanted) if *wanted != report.pool => {
                let has = harmless(&report.pool);
                Err(Failure::new(format!("{self}: --pool is {wanted:?}, but this is a report of the pool {has:?}")))
            }
            _ => Ok(report),
        }
    }

    fn parse(&self, from: impl Read, length: Option<u64>, meter: Meter) -> Result<PinReport, Failure> {
        PinReport::from_json(Counted::new(from, length, meter))
            .map_err(|error| Failure::new(format!("{self}: {error}")))
    }

    fn cannot_open(&self, path: &Path, error: &io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::NotFound if !path.as_os_str().to_string_lossy().contains(['/', '\\']) => {
                "\nA program's address is HOST:PORT, http://HOST:PORT or unix:/PATH."
            }
            _ => "",
        };
        Failure::new(format!("{self}: {error}{hint}"))
    }
}

/// `path` with the name of a pool as its parameter `pool`.
fn with_pool(path: &str, pool: Option<&str>) -> String {
    let Some(pool) = pool else {
        return path.to_owned();
    };
    let mut path = format!("{path}{}pool=", if path.contains('?') { '&' } else { '?' });
    for byte in pool.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Source, String> {
        if text == "-" {
            return Ok(Source::Stdin);
        }
        if let Some(rest) = text.strip_prefix("http://") {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let endpoint = if authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']')) {
                Endpoint::tcp(authority)
            } else {
                Endpoint::tcp(&format!("{authority}:80"))
            };
            let endpoint = endpoint.filter(|_| !authority.is_empty() && !authority.starts_with(':'));
            let endpoint = endpoint.ok_or_else(|| format!("the address {authority:?} must be HOST or HOST:PORT"))?;
            return Ok(Source::Live(endpoint, report_path(path)?));
        }
        if text.starts_with("https://") {
            return Err("https is not spoken here: reach the program's loopback port, say through `ssh -L`".to_owned());
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("the path of the socket is missing: unix:/PATH".to_owned()),
                path => Ok(Source::Live(Endpoint::Unix(PathBuf::from(path)), REPORT.to_owned())),
            };
        }
        let path = Path::new(text);
        if is_socket(path) || text.ends_with(".sock") {
            return Ok(Source::Live(Endpoint::Unix(path.to_owned()), REPORT.to_owned()));
        }
        // A file that is there wins over an address that looks like its name.
        match Endpoint::tcp(text).filter(|_| !path.exists()) {
            Some(endpoint) => Ok(Source::Live(endpoint, REPORT.to_owned())),
            None => Ok(Source::File(path.to_owned())),
        }
    }
}

/// The path that is asked for: the one given, if it leads to JSON, or else what a console mounted there would have.
fn report_path(given: &str) -> Result<String, String> {
    let path = given.split('#').next().unwrap_or("");
    if path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err(format!("the path {:?} must not have spaces or control characters", first_line(path, 60)));
    }
    let (only_path, query) = path.split_once('?').map_or((path, ""), |(path, query)| (path, query));
    let trimmed = only_path.trim_end_matches('/');
    if trimmed.ends_with(".json") {
        return Ok(path.to_owned());
    }
    let base = trimmed.strip_suffix("/debug/slabs").unwrap_or(trimmed);
    let question = if query.is_empty() { "" } else { "?" };
    Ok(format!("{base}{REPORT}{question}{query}"))
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|data| data.file_type().is_socket())
}

#[cfg(not(unix))]
fn is_socket(_: &Path) -> bool {
    false
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Stdin => f.write_str("standard input"),
            Source::File(path) => f.write_str(&harmless(&path.display().to_string())),
            Source::Live(endpoint, _) => write!(f, "{endpoint}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(authority: &str, path: &str) -> Source {
        Source::Live(Endpoint::tcp(authority).unwrap(), path.to_owned())
    }

    #[test]
    fn addresses_and_files_are_told_apart() {
        let unix = |path: &str| Source::Live(Endpoint::Unix(PathBuf::from(path)), REPORT.to_owned());
        for (text, source) in [
            ("-", Source::Stdin),
            ("pins.json", Source::File("pins.json".into())),
            ("./a:b.json", Source::File("./a:b.json".into())),
            ("host:port", Source::File("host:port".into())),
            ("localhost:6060", tcp("localhost:6060", REPORT)),
            (":6060", tcp("localhost:6060", REPORT)),
            ("[::1]:6060", tcp("[::1]:6060", REPORT)),
            ("http://h", tcp("h:80", REPORT)),
            ("http://[::1]", tcp("[::1]:80", REPORT)),
            ("http://h:1/", tcp("h:1", REPORT)),
            ("http://h:1/admin/", tcp("h:1", "/admin/debug/slabs.json")),
            ("http://h:1/debug/slabs?pool=x", tcp("h:1", "/debug/slabs.json?pool=x")),
            ("http://h:1/my.json?a=b#c", tcp("h:1", "/my.json?a=b")),
            ("unix:/run/x", unix("/run/x")),
            ("unix:///run/x", unix("/run/x")),
            ("./x.sock", unix("./x.sock")),
        ] {
            assert_eq!(text.parse::<Source>(), Ok(source), "{text}");
        }
        for text in ["https://h:1", "unix:", "http://", "http://:x", "http://h:1/a b", "http://h:1/\r\nX: y"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pool_is_a_parameter() {
        assert_eq!(with_pool("/x.json", Some("a b&c/ä")), "/x.json?pool=a%20b%26c%2F%C3%A4");
        assert_eq!(with_pool("/x.json?y", Some("p")), "/x.json?y&pool=p");
        assert_eq!(with_pool("/x.json", None), "/x.json");
    }
}
