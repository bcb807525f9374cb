//! Sends 150,000 bytes and asks for 200,000.
use ureq::tls::{RootCerts, TlsConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    let body: Vec<u8> = (0..150_000u32).map(|n| n as u8).collect();
    agent.post("https://model.example/bytes").send(&body[..])?.body_mut().read_to_vec()?;
    let got = agent.get("https://model.example/bytes/200000").call()?.body_mut().read_to_vec()?;
    println!("got {}", got.len());
    Ok(())
}
