//! As ssl-pair.c, of rustls: CA CERTIFICATE KEY. Both ends talk through memory, on one thread.
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Instant;

const WARM_UP: usize = 200;
const LINE: &str = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"the quick brown fox\"}}\n\n";

#[cfg(feature = "ring")]
fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}
#[cfg(all(feature = "aws-lc", not(feature = "ring")))]
fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

fn ends(ca: &str, certificate: &str, key: &str) -> (ClientConnection, ServerConnection) {
    let versions = &[&rustls::version::TLS13];
    let mut roots = RootCertStore::empty();
    for cert in rustls_pemfile::certs(&mut BufReader::new(File::open(ca).unwrap())) {
        roots.add(cert.unwrap()).unwrap();
    }
    let client = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let chain = rustls_pemfile::certs(&mut BufReader::new(File::open(certificate).unwrap())).map(|cert| cert.unwrap()).collect();
    let key: PrivateKeyDer = rustls_pemfile::private_key(&mut BufReader::new(File::open(key).unwrap())).unwrap().unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    server.send_tls13_tickets = 0;
    let name = ServerName::try_from("localhost").unwrap();
    (ClientConnection::new(Arc::new(client), name).unwrap(), ServerConnection::new(Arc::new(server)).unwrap())
}

/// CPU time of this thread in nanoseconds.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (mut client, mut server) = ends(&args[1], &args[2], &args[3]);
    let mut wire = Vec::with_capacity(1 << 16);
    while client.is_handshaking() || server.is_handshaking() {
        client.write_tls(&mut wire).unwrap();
        let mut left = &wire[..];
        while !left.is_empty() {
            server.read_tls(&mut left).unwrap();
            server.process_new_packets().unwrap();
        }
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        let mut left = &wire[..];
        while !left.is_empty() {
            client.read_tls(&mut left).unwrap();
            client.process_new_packets().unwrap();
        }
        wire.clear();
    }
    println!("ready {}", std::process::id());
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<f64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        measure(&mut client, &mut server, &mut wire, words[0] as usize, words[1]);
    }
}

fn measure(client: &mut ClientConnection, server: &mut ServerConnection, wire: &mut Vec<u8>, n: usize, seconds: f64) {
    let out: Vec<u8> = LINE.bytes().cycle().take(n).collect();
    let mut into = vec![0u8; n];
    let mut calls = 0;
    let mut once = || {
        client.writer().write_all(&out).unwrap();
        client.write_tls(wire).unwrap();
        let mut left = &wire[..];
        while !left.is_empty() {
            server.read_tls(&mut left).unwrap();
            server.process_new_packets().unwrap();
        }
        wire.clear();
        server.reader().read_exact(&mut into).unwrap();
        calls += 2;
    };
    for _ in 0..WARM_UP {
        once();
    }
    let (began, used, mut pairs) = (Instant::now(), cpu(), 0);
    while pairs % 64 != 0 || began.elapsed().as_secs_f64() < seconds {
        once();
        pairs += 1;
    }
    let (used, wall) = (cpu() - used, began.elapsed().as_nanos());
    assert!(into == out);
    println!("{{\"pairs\":{pairs},\"calls\":{calls},\"bytes\":{},\"cpu_ns\":{used},\"wall_ns\":{wall}}}", (pairs + WARM_UP) * n * 2);
}
