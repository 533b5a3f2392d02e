//! The HTTP door under TLS, with a certificate that the owner brings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cairn_tests::{Daemon, RUN_ON_LOOPBACK, cairn, cairn_fails};
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Writes a certificate for this machine and its key.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.key_pair.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// One request over TLS, by a client that trusts this certificate alone; gives the whole answer.
fn ask(to: SocketAddr, trusted: &CertificateDer<'static>, request: &str) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(to)?);
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    // The door ends the connection without a farewell of TLS, after the whole answer.
    match stream.read_to_string(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

#[test]
fn the_door_speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let trusted = certificate(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (chain, key) = (file("certificate.pem"), file("key.pem"));
    let node = Daemon::start(&home, &["--tls-certificate", &chain, "--tls-key", &key]);
    let status = node.status();
    let http: SocketAddr = status["http"].as_str().unwrap().parse().unwrap();
    let root = status["storage_root"].as_str().unwrap();
    assert_eq!(root, format!("https://{http}/storage/me"));

    let get = |target: &str, more: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n{more}\r\n")
    };
    let answer = ask(
        http,
        &trusted,
        &get("/.well-known/webfinger?resource=acct:me@x", ""),
    )
    .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let found: Value = serde_json::from_str(body).unwrap();
    assert_eq!(found["links"][0]["href"], root);
    let token = cairn(&home, &["token", "new", "--scope", "notes:rw"]);
    let token = format!("Authorization: Bearer {}\r\n", token.trim());
    let put = format!(
        "PUT /storage/me/notes/a HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n{token}\r\nsecret"
    );
    assert!(ask(http, &trusted, &put).unwrap().starts_with("HTTP/1.1 201"));
    let answer = ask(http, &trusted, &get("/storage/me/notes/a", &token)).unwrap();
    assert!(answer.ends_with("\r\n\r\nsecret"), "{answer}");

    // Nobody is let in without it, nor believed with another.
    let mut plain = TcpStream::connect(http).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    plain
        .write_all(get("/storage/me/notes/a", &token).as_bytes())
        .unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    let other = certificate(&folder.path().join("node"));
    assert!(ask(http, &other, &get("/", "")).is_err());
}

#[test]
fn a_certificate_that_cannot_be_used_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let chain = folder.path().join("certificate.pem");
    let chain = chain.to_str().unwrap();
    let run = RUN_ON_LOOPBACK;
    let home = folder.path().join("node");
    let (code, said) = cairn_fails(&home, &[&run[..], &["--tls-certificate", chain]].concat());
    assert!(code == 2 && said.contains("--tls-key"), "{code}: {said}");
    let (code, said) = cairn_fails(
        &home,
        &[&run[..], &["--tls-certificate", chain, "--tls-key", chain]].concat(),
    );
    assert!(
        code == 1 && said.contains("holds no private key"),
        "{code}: {said}"
    );
}
