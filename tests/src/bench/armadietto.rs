//! armadietto, the remoteStorage server that most people run: the peer.
//!
//! It keeps documents as files and writes none of them durably: an answer says that the kernel has the bytes.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::nginx::free_address;
use super::{Connection, Storage};
use crate::{eventually, program};

/// What npm calls it: one version, so that figures of different days compare.
const PACKAGE: &str = "armadietto@0.6.6";
const USER: &str = "bench";
const PASSWORD: &str = "bench";

/// A running armadietto with one user. Ends when dropped.
pub struct Armadietto {
    child: Child,
    /// Its storage.
    pub storage: Storage,
}

impl Armadietto {
    /// Installs it beside the program if it is not there, and starts it in `folder`. Says why it cannot.
    ///
    /// `CAIRN_ARMADIETTO` names a folder in which npm has installed it already.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let module = install()?;
        fs::create_dir_all(folder).unwrap();
        let address = free_address();
        // Errors alone are logged.
        let config = serde_json::json!({
            "allow_signup": true,
            "storage_path": folder.join("storage"),
            "cache_views": true,
            "http": { "host": address.ip().to_string(), "port": address.port() },
            "https": { "enable": false, "force": false },
            "logging": { "log_dir": folder, "stdout": [], "log_files": ["error"] },
            "basePath": "",
        });
        let path = folder.join("conf.json");
        fs::write(&path, config.to_string()).unwrap();
        let mut child = Command::new("node")
            .arg(module.join("bin/armadietto.js"))
            .arg("-c")
            .arg(&path)
            .env("NODE_ENV", "production")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("stderr")).unwrap())
            .spawn()
            .map_err(|error| format!("node does not start: {error}"))?;
        eventually(Duration::from_secs(30), || {
            if let Ok(Some(status)) = child.try_wait() {
                let said = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
                return Ok(Err(format!("it ended with {status}: {said}")));
            }
            TcpStream::connect(address)
                .map(|_| Ok(()))
                .map_err(|error| error.to_string())
        })?;
        let token = sign_up(address)?;
        Ok(Self {
            child,
            storage: Storage::new("armadietto", address, &format!("/storage/{USER}"), Some(&token)),
        })
    }
}

impl Drop for Armadietto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn install() -> Result<PathBuf, String> {
    let given = std::env::var_os("CAIRN_ARMADIETTO").map(PathBuf::from);
    let beside = || program().parent().unwrap().join("bench-peers");
    let folder = given.unwrap_or_else(beside);
    let module = folder.join("node_modules/armadietto");
    if module.join("package.json").exists() {
        return Ok(module);
    }
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(&folder)
        .arg(PACKAGE)
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("npm does not start: {error}"))?;
    if output.status.success() && module.exists() {
        return Ok(module);
    }
    Err(format!(
        "npm install {PACKAGE}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Makes the user and lets a program in, as a browser would. Gives the token.
fn sign_up(address: SocketAddr) -> Result<String, String> {
    post(
        address,
        "/signup",
        &format!("username={USER}&email=bench%40example.org&password={PASSWORD}"),
    )?;
    let header = post(
        address,
        "/oauth",
        &format!(
            "username={USER}&password={PASSWORD}&client_id=bench&response_type=token&scope=%2A%3Arw\
             &redirect_uri=http%3A%2F%2Flocalhost%2F&allow=Allow"
        ),
    )?;
    let token = header
        .split_once("access_token=")
        .and_then(|(_, rest)| rest.split(['&', '\r', '\n']).next())
        .ok_or_else(|| format!("no token: {header}"))?;
    // Base64 in a fragment: these are all that is escaped there.
    Ok(token.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="))
}

fn post(address: SocketAddr, path: &str, form: &str) -> Result<String, String> {
    let mut request = Vec::new();
    let _ = write!(
        request,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut connection = Connection::open(address).map_err(|error| error.to_string())?;
    let answer = connection
        .exchange(&request)
        .map_err(|error| format!("{path}: {error}"))?;
    if answer.status >= 400 {
        return Err(format!("{path}: {}", answer.header));
    }
    Ok(answer.header.to_owned())
}
