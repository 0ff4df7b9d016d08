//! A stand-in of etcd: the part of its JSON API that is used, over a store in memory.
use raxla::distributed::store::{InMemory, Store};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A server on loopback, which is gone when it is dropped.
pub struct Gateway {
    pub address: String,
    gone: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gateway {
    /// With this version in its paths.
    pub fn start(version: &'static str) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (gone, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(vec![])));
        let (over, open, store) = (gone.clone(), connections.clone(), Arc::new(InMemory::default()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let store = store.clone();
                thread::spawn(move || serve(stream, version, &store));
            }
        });
        Gateway { address, gone, connections }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        for stream in self.connections.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, version: &str, store: &InMemory) -> Option<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().ok()?), stream);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok()?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        let (asked, path) = request.split(' ').nth(1)?.strip_prefix('/')?.split_once('/')?;
        let (status, text) = match answer(path, &body, store) {
            _ if asked != version => ("404 Not Found", "404 page not found".into()),
            Ok(value) => ("200 OK", value.to_string()),
            Err(e) => ("400 Bad Request", json!({"error": e.message, "code": 5, "message": e.message}).to_string()),
        };
        write!(
            writer,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
        .ok()?;
    }
}

fn text(body: &Value, name: &str) -> String {
    String::from_utf8(bytes(body, name)).unwrap()
}
fn bytes(body: &Value, name: &str) -> Vec<u8> {
    base64::decode(body[name].as_str().unwrap_or("")).unwrap()
}
fn number(body: &Value, name: &str) -> i64 {
    body[name].as_str().unwrap_or("0").parse().unwrap()
}

fn answer(path: &str, body: &Value, store: &InMemory) -> raxla_xla::Result<Value> {
    let pair = |(key, value): &(String, Vec<u8>)| json!({"key": base64::encode(key), "value": base64::encode(value)});
    Ok(match path {
        "kv/range" if body.get("range_end").is_none() => {
            let key = text(body, "key");
            json!({"kvs": store.get(&key)?.iter().map(|value| pair(&(key.clone(), value.clone()))).collect::<Vec<_>>()})
        }
        "kv/range" => {
            let found = store.list(&text(body, "key"))?;
            let mut kvs: Vec<Value> = found.iter().map(pair).collect();
            if body["keys_only"] == true {
                kvs.iter_mut().for_each(|kv| drop(kv.as_object_mut().unwrap().remove("value")));
            }
            json!({"kvs": kvs})
        }
        "kv/put" => {
            store.put(&text(body, "key"), &bytes(body, "value"), number(body, "lease"))?;
            json!({})
        }
        "kv/txn" => {
            let put = &body["success"][0]["request_put"];
            let made = store.create(&text(put, "key"), &bytes(put, "value"), number(put, "lease"))?;
            // (etcd leaves out what is false)
            if made { json!({"succeeded": true}) } else { json!({}) }
        }
        "kv/deleterange" => {
            store.delete(&text(body, "key"))?;
            json!({})
        }
        "lease/grant" => {
            let life = Duration::from_secs(number(body, "TTL") as u64);
            json!({"ID": store.grant(life)?.to_string(), "TTL": body["TTL"]})
        }
        "lease/keepalive" => {
            let kept = store.keep_alive(number(body, "ID"))?;
            json!({"result": if kept { json!({"ID": body["ID"], "TTL": "1"}) } else { json!({"ID": body["ID"]}) }})
        }
        "lease/revoke" => {
            store.revoke(number(body, "ID"))?;
            json!({})
        }
        other => panic!("{other} is not asked for"),
    })
}
