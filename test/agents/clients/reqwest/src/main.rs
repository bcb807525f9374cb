//! Sends 150,000 bytes and asks for 200,000; with `h1`, without HTTP/2.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = reqwest::blocking::Client::builder();
    if std::env::args().nth(1).as_deref() == Some("h1") {
        builder = builder.http1_only();
    }
    let client = builder.build()?;
    let body: Vec<u8> = (0..150_000u32).map(|n| n as u8).collect();
    client.post("https://model.example/bytes").body(body).send()?.bytes()?;
    let got = client.get("https://model.example/bytes/200000").send()?.bytes()?;
    println!("got {}", got.len());
    Ok(())
}
