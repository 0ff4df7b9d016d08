//! A [`Store`] in etcd, by the JSON form of its API over HTTP.
//!
//! The form is etcd's own (its "gRPC gateway", on by default since 3.3): keys and values are base64, 64-bit numbers are texts.
use super::store::{Lease, Store};
use raxla_xla::{Code, Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fmt, time::Duration};
use ureq::Agent;

/// The port of etcd where none is said.
pub const DEFAULT_PORT: u16 = 2379;
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(5);

/// etcd, version 3.3 or newer, at one address or several of one cluster.
#[derive(Clone)]
pub struct Etcd {
    /// `http://host:port`, of which the first that answers is asked.
    endpoints: Vec<String>,
    agent: Agent,
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Etcd({})", self.endpoints.join(","))
    }
}

impl Etcd {
    /// The etcd at `host:port`, or at several addresses with commas between. Nothing is asked yet.
    ///
    /// # Errors
    /// An address that is none, or one of `https`.
    pub fn at(addresses: &str) -> Result<Etcd> {
        let endpoints = addresses.split(',').map(|address| endpoint(address.trim())).collect::<Result<Vec<_>>>()?;
        // (a proxy for the Internet does not know the hosts of a cluster)
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(2)))
            .timeout_global(Some(ANSWER))
            .proxy(None)
            .http_status_as_error(false);
        Ok(Etcd { endpoints, agent: config.build().into() })
    }

    /// The answer to a question, of the first address that gives one.
    fn ask(&self, path: &str, body: &Value) -> Result<Value> {
        let mut failures = vec![];
        for endpoint in &self.endpoints {
            match self.ask_one(endpoint, path, body) {
                Err(e) if e.code == Code::Unavailable => failures.push(e.message),
                outcome => return outcome,
            }
        }
        Err(Error::new(Code::Unavailable, failures.join("; ")))
    }

    fn ask_one(&self, endpoint: &str, path: &str, body: &Value) -> Result<Value> {
        let silent = |e: &dyn fmt::Display| Error::new(Code::Unavailable, format!("{endpoint}: {e}"));
        let send = |version: &str| {
            let mut answer = self.agent.post(format!("{endpoint}/{version}/{path}")).send(body.to_string())?;
            let text = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
            Ok((answer.status(), text))
        };
        let sent = match send("v3") {
            // (as it was called in etcd 3.3)
            Ok((status, _)) if status == 404 => send("v3beta"),
            sent => sent,
        };
        let (status, text) = sent.map_err(|e: ureq::Error| silent(&e))?;
        // (a stream has one object to a line)
        let value: Option<Value> = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
        match value {
            Some(value) if status.is_success() => Ok(value),
            Some(value) => Err(refused(endpoint, &value)),
            None if status.is_client_error() || status == 501 => Err(Error::new(
                Code::Unimplemented,
                format!("{endpoint} is no etcd, or one without the JSON form of its API (it answers {status})"),
            )
            .help("give the address of etcd's clients (`--listen-client-urls`), and leave `--enable-grpc-gateway` on")),
            None => Err(silent(&format!("it answers {status}, and not in JSON"))),
        }
    }

    fn range(&self, body: Value) -> Result<Vec<(String, Vec<u8>)>> {
        let found: Range = read(self.ask("kv/range", &body)?)?;
        let one = |kv: Pair| Ok((String::from_utf8_lossy(&bytes(&kv.key)?).into_owned(), bytes(&kv.value)?));
        found.kvs.into_iter().map(one).collect()
    }
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    kvs: Vec<Pair>,
}
#[derive(Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
}
#[derive(Deserialize)]
struct Created {
    #[serde(default)]
    succeeded: bool,
}
/// A lease; a number that is 0 is left out.
#[derive(Deserialize, Default)]
struct Granted {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "TTL", default)]
    ttl: String,
}
#[derive(Deserialize)]
struct Kept {
    result: Granted,
}

/// `http://host:port` of an address.
fn endpoint(address: &str) -> Result<String> {
    let wrong = |why: &str| {
        Error::new(Code::InvalidArgument, format!("`{address}` is no address of etcd: {why}"))
            .help("give it as host:port, such as 10.0.0.1:2379")
    };
    if address.starts_with("https://") {
        return Err(Error::new(Code::Unimplemented, format!("{address}: etcd is spoken to without TLS only"))
            .help("let etcd listen with http:// on a network that is the job's own"));
    }
    let plain = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let (host, port) = match plain.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') && host.ends_with(']') => {
            (host, port.parse().map_err(|_| wrong(&format!("`{port}` is no port")))?)
        }
        _ => (plain, DEFAULT_PORT),
    };
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(wrong("it has no host"));
    }
    // (an address of IPv6 without brackets)
    Ok(if host.contains(':') && !host.starts_with('[') {
        format!("http://[{host}]:{port}")
    } else {
        format!("http://{host}:{port}")
    })
}

/// What etcd says no to. Its codes are those of gRPC, as PJRT's are.
fn refused(endpoint: &str, answer: &Value) -> Error {
    let text = answer["message"].as_str().or(answer["error"].as_str()).unwrap_or("it refuses").to_string();
    let code = match answer["code"].as_u64() {
        Some(5) => Code::NotFound,
        Some(7) => Code::PermissionDenied,
        Some(8) => Code::ResourceExhausted,
        Some(16) => Code::Unauthenticated,
        // no leader, or one that changes; a time that ran out inside of it; an etcd that ends
        Some(1 | 4 | 14) => Code::Unavailable,
        _ => Code::InvalidArgument,
    };
    Error::new(code, format!("{endpoint}: {text}"))
}

fn read<T: for<'a> Deserialize<'a>>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).map_err(|e| Error::new(Code::Internal, format!("etcd's answer cannot be read: {e}")))
}
fn number(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::new(Code::Internal, format!("etcd's answer has `{text}` for a number")))
}
fn bytes(text: &str) -> Result<Vec<u8>> {
    base64::decode(text).map_err(|e| Error::new(Code::Internal, format!("etcd's answer has no base64: {e}")))
}
/// The end of the range of keys that begin so.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        // (a text in UTF-8 has no byte 255)
        Some(last) => *last += 1,
        // all keys
        None => end.push(0),
    }
    end
}
fn prefixed(prefix: &str) -> Value {
    json!({"key": base64::encode(if prefix.is_empty() { "\0" } else { prefix }), "range_end": base64::encode(after(prefix))})
}

impl Store for Etcd {
    fn name(&self) -> String {
        let addresses: Vec<&str> = self.endpoints.iter().map(|e| e.trim_start_matches("http://")).collect();
        format!("etcd at {}", addresses.join(","))
    }
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.range(json!({"key": base64::encode(key)}))?.pop().map(|(_, value)| value))
    }
    fn put(&self, key: &str, value: &[u8], lease: Lease) -> Result<()> {
        let body = json!({"key": base64::encode(key), "value": base64::encode(value), "lease": lease.to_string()});
        self.ask("kv/put", &body).map(drop)
    }
    fn create(&self, key: &str, value: &[u8], lease: Lease) -> Result<bool> {
        let (key, value) = (base64::encode(key), base64::encode(value));
        let put = json!({"request_put": {"key": key, "value": value, "lease": lease.to_string()}});
        let never = json!({"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"});
        let done: Created = read(self.ask("kv/txn", &json!({"compare": [never], "success": [put]}))?)?;
        Ok(done.succeeded)
    }
    fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let mut body = prefixed(prefix);
        body["keys_only"] = true.into();
        Ok(self.range(body)?.into_iter().map(|(key, _)| key).collect())
    }
    fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        self.range(prefixed(prefix))
    }
    fn delete(&self, prefix: &str) -> Result<()> {
        self.ask("kv/deleterange", &prefixed(prefix)).map(drop)
    }
    fn grant(&self, life: Duration) -> Result<Lease> {
        let seconds = life.as_secs_f64().ceil().max(1.0);
        let granted: Granted = read(self.ask("lease/grant", &json!({"TTL": format!("{seconds:.0}")}))?)?;
        number(&granted.id)
    }
    fn keep_alive(&self, lease: Lease) -> Result<bool> {
        let kept: Kept = read(self.ask("lease/keepalive", &json!({"ID": lease.to_string()}))?)?;
        Ok(!kept.result.ttl.is_empty() && number(&kept.result.ttl)? > 0)
    }
    fn revoke(&self, lease: Lease) -> Result<()> {
        self.ask("lease/revoke", &json!({"ID": lease.to_string()})).map(drop)
    }
}

/// A key of the metadata server of Google Compute Engine, `instance/attributes/..`: which worker of a TPU slice this is, and where the others are.
pub(super) fn metadata(key: &str) -> Option<String> {
    let server = std::env::var("GCE_METADATA_IP").unwrap_or_else(|_| "metadata.google.internal".into());
    let config = Agent::config_builder().timeout_global(Some(ANSWER)).proxy(None);
    let agent: Agent = config.build().into();
    let url = format!("http://{server}/computeMetadata/v1/instance/attributes/{key}");
    let asked = agent.get(url).header("Metadata-Flavor", "Google").call();
    asked.ok()?.body_mut().with_config().limit(1 << 20).read_to_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_that_changes_or_ends_is_asked_again() {
        let code = |code: u64| refused("http://a:1", &json!({ "code": code, "message": "why" })).code;
        assert_eq!([1, 4, 14].map(code), [Code::Unavailable; 3]);
        assert_eq!([5, 7, 3].map(code), [Code::NotFound, Code::PermissionDenied, Code::InvalidArgument]);
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let of = |text: &str| endpoint(text).map_err(|e| e.message);
        assert_eq!(of("node1:4001").unwrap(), "http://node1:4001");
        assert_eq!(of("http://node1:4001/").unwrap(), "http://node1:4001");
        assert_eq!(of("node1").unwrap(), "http://node1:2379");
        assert_eq!(of("[fe80::1]:7").unwrap(), "http://[fe80::1]:7");
        assert_eq!(of("fe80::1").unwrap(), "http://[fe80::1]:2379");
        assert!(of("node1:port").unwrap_err().contains("`port` is no port"));
        assert!(of("").unwrap_err().contains("no host"));
        assert!(of("https://node1").unwrap_err().contains("without TLS"));
        assert_eq!(Etcd::at("a:1, b:2").unwrap().name(), "etcd at a:1,b:2");
    }
}
