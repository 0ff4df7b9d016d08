//! Requests. The access token is for the hub alone, and what the hub's answers say is checked before it is used.

use super::HubOptions;
use std::time::Duration;
use ureq::{
    Agent, Body,
    http::{HeaderMap, Response, Uri, header},
};

/// Why a transfer did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered with this status.
    Status(u16),
    /// No answer, or one that broke off, for this reason.
    Unreachable(String),
    /// The connection stood still for so long.
    Silent(Duration),
    /// Not the bytes that were announced.
    Damaged(String),
    /// The cache cannot be written.
    Disk(std::io::Error),
    /// The answer makes no sense.
    Other(String),
}

/// The server of those who name none.
const PUBLIC: &str = "https://huggingface.co";

/// Addresses that one request may be sent to.
const REDIRECTS: usize = 10;

/// A client of one hub.
pub(super) struct Web {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
    patience: Duration,
}

/// What came back in the end.
pub(super) struct Answer {
    /// The headers of the hub, and not those of the server that it may have sent the request on to.
    pub(super) of_hub: HeaderMap,
    pub(super) response: Response<Body>,
}

impl Web {
    pub(super) fn new(options: &HubOptions) -> Web {
        let patience = Some(options.patience);
        let config = Agent::config_builder().max_redirects(0).timeout_resolve(patience).timeout_connect(patience);
        let config = config.timeout_recv_response(patience).timeout_per_read(patience).timeout_per_write(patience);
        Web {
            agent: config.user_agent(concat!("raxla/", env!("CARGO_PKG_VERSION"))).build().into(),
            endpoint: options.endpoint.clone().unwrap_or_else(|| PUBLIC.into()),
            token: options.token.clone(),
            patience: options.patience,
        }
    }

    /// Asks the hub for `path`, with a range of bytes if one is given.
    pub(super) fn get(&self, path: &str, range: Option<&str>) -> Result<Answer, Failure> {
        let hub = parse(&self.endpoint)?;
        let mut url = parse(&format!("{}/{path}", self.endpoint))?;
        let mut of_hub = None;
        for _ in 0..REDIRECTS {
            let mut request = self.agent.get(&url);
            if let Some(token) = self.token.as_ref().filter(|_| origin(&url) == origin(&hub)) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            if let Some(range) = range {
                request = request.header(header::RANGE, range);
            }
            let response = request.call().map_err(|e| self.failure(e))?;
            let next = match response.status().is_redirection() {
                true => Some(next(&url, response.headers())?),
                false => None,
            };
            // (a repository that was renamed is still at the hub)
            if of_hub.is_none() && next.as_ref().is_none_or(|next| origin(next) != origin(&hub)) {
                of_hub = Some(response.headers().clone());
            }
            match next {
                Some(next) => url = next,
                None => return Ok(Answer { of_hub: of_hub.unwrap_or_default(), response }),
            }
        }
        Err(Failure::Other(format!("the hub sends the request on more than {REDIRECTS} times")))
    }

    pub(super) fn failure(&self, error: impl Into<ureq::Error>) -> Failure {
        match error.into() {
            ureq::Error::StatusCode(code) => Failure::Status(code),
            ureq::Error::BadUri(uri) => Failure::Other(format!("{uri} is no address")),
            ureq::Error::Timeout(_) => Failure::Silent(self.patience),
            other => Failure::Unreachable(other.to_string()),
        }
    }
}

fn parse(url: &str) -> Result<Uri, Failure> {
    let uri = url.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.ok_or_else(|| Failure::Other(format!("{url:?} is no address")))
}

/// Scheme, host and port: who is asked.
fn origin(url: &Uri) -> (String, String, u16) {
    let scheme = url.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    (scheme, url.host().unwrap_or_default().to_ascii_lowercase(), port)
}

/// Where the answer of `url` sends the request on.
fn next(url: &Uri, headers: &HeaderMap) -> Result<Uri, Failure> {
    let location =
        text(headers, "location").ok_or_else(|| Failure::Other("the hub sends the request nowhere".into()))?;
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map_or("", |a| a.as_str());
    let next = match location {
        l if l.starts_with("//") => parse(&format!("{scheme}:{l}"))?,
        l if l.starts_with('/') => parse(&format!("{scheme}://{authority}{l}"))?,
        l => parse(l)?,
    };
    match (scheme, next.scheme_str()) {
        ("https", Some("http")) => Err(Failure::Other(format!("the hub sends the request on to {next}, unencrypted"))),
        _ => Ok(next),
    }
}

/// The value of a header, if it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `bytes 3-9/100` and `bytes */100`: the first byte that came, and how many there are.
pub(super) fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (range, all) = text(headers, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-').map_or(Some(0), |(first, _)| first.trim().parse().ok())?;
    Some((first, all.trim().parse().ok()?))
}

/// A name as a part of an address.
pub(super) fn escaped(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn the_next_address_is_absolute_or_at_the_same_server() {
        let from = |url: &str, location: &str| {
            next(&parse(url).unwrap(), &headers("location", location)).map(|uri| uri.to_string())
        };
        assert_eq!(from("http://a:8/x", "/y?z").unwrap(), "http://a:8/y?z");
        assert_eq!(from("https://a/x", "//b/y").unwrap(), "https://b/y");
        assert_eq!(from("http://a/x", "https://b/y").unwrap(), "https://b/y");
        for bad in ["y", "file:///etc/passwd", "ftp://a/", "http://", ""] {
            assert!(from("http://a/x", bad).is_err(), "{bad}");
        }
        assert!(from("https://a/x", "http://a/x").is_err(), "from now on anybody could read along");
        assert!(next(&parse("http://a/").unwrap(), &HeaderMap::new()).is_err());
    }

    #[test]
    fn who_is_asked_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| origin(&parse(a).unwrap()) == origin(&parse(b).unwrap());
        assert!(same("https://Hub.co/a", "https://hub.co:443/b") && same("http://h", "http://h:80/"));
        for other in
            ["https://hub.co.evil", "http://hub.co", "https://hub.co:444", "https://x.hub.co", "https://hub.co@evil"]
        {
            assert!(!same("https://hub.co", other), "{other}");
        }
    }

    #[test]
    fn ranges_and_names() {
        let range = |value: &str| content_range(&headers("content-range", value));
        assert_eq!(range("bytes 3-9/100"), Some((3, 100)));
        assert_eq!(range("bytes */0"), Some((0, 0)));
        for bad in ["bytes 3-9/*", "bytes -3/9", "bytes 3-9", "3-9/100", "bytes 1-2/99999999999999999999"] {
            assert_eq!(range(bad), None, "{bad}");
        }
        assert_eq!(escaped("a b/é%?.gguf"), "a%20b%2F%C3%A9%25%3F.gguf");
    }
}
