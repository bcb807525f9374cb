//! A client on rustls: CA PORT OPERATION... where an operation is `get:PATH`, `upload:BYTES`, `new` (connection), `tls12`,
//! `threads:N:PATH` (N connections at once), `alternate:PATH` (two connections in turn on one thread).
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn config(ca: &str, tls12: bool) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let file = std::fs::File::open(ca).unwrap();
    for cert in rustls_pemfile::certs(&mut BufReader::new(file)) {
        roots.add(cert.unwrap()).unwrap();
    }
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls12 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let provider = provider();
    Arc::new(
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

#[cfg(feature = "ring")]
fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}
#[cfg(all(feature = "aws-lc", not(feature = "ring")))]
fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

fn connect(config: &Arc<ClientConfig>, port: u16) -> Stream {
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), tcp)
}

/// One answer with a Content-Length.
fn answer(stream: &mut Stream) {
    let mut data = Vec::new();
    let mut piece = [0u8; 9000];
    loop {
        if let Some(end) = data.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&data[..end]).to_lowercase();
            let length: usize = head
                .split("content-length:")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next())
                .and_then(|n| n.trim().parse().ok())
                .unwrap();
            if data.len() >= end + 4 + length {
                return;
            }
        }
        let n = stream.read(&mut piece).unwrap();
        assert!(n > 0, "the server ended");
        data.extend_from_slice(&piece[..n]);
    }
}

fn get(stream: &mut Stream, path: &str) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.flush().unwrap();
    answer(stream);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let port: u16 = args[2].parse().unwrap();
    let mut config_now = config(&args[1], false);
    let mut stream: Option<Stream> = None;
    for operation in &args[3..] {
        let (verb, rest) = operation.split_once(':').unwrap_or((operation, ""));
        match verb {
            "tls12" => {
                config_now = config(&args[1], true);
                stream = None;
            }
            "new" => stream = None,
            "get" => get(stream.get_or_insert_with(|| connect(&config_now, port)), rest),
            "upload" => {
                let body: Vec<u8> = (0..rest.parse::<usize>().unwrap()).map(|i| (i * 7 % 251) as u8).collect();
                let stream = stream.get_or_insert_with(|| connect(&config_now, port));
                write!(stream, "POST /upload?tag HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
                stream.write_all(&body).unwrap();
                stream.flush().unwrap();
                answer(stream);
            }
            "threads" => {
                let (n, path) = rest.split_once(':').unwrap();
                let threads: Vec<_> = (0..n.parse::<usize>().unwrap())
                    .map(|_| {
                        let (config, path) = (config_now.clone(), path.to_string());
                        std::thread::spawn(move || {
                            let mut stream = connect(&config, port);
                            for _ in 0..3 {
                                get(&mut stream, &path);
                            }
                        })
                    })
                    .collect();
                for thread in threads {
                    thread.join().unwrap();
                }
            }
            // Two connections in turn on one thread.
            "alternate" => {
                let mut one = connect(&config_now, port);
                let mut other = connect(&config_now, port);
                for _ in 0..5 {
                    get(&mut one, rest);
                    get(&mut other, rest);
                }
            }
            _ => panic!("unknown operation {operation}"),
        }
    }
}
