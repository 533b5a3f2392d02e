//! nginx with plain files: how fast documents can be served at all.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Storage;
use crate::eventually;

/// A running nginx. Ends when dropped.
pub struct Nginx {
    child: Child,
    /// Its files, without a token.
    pub storage: Storage,
}

impl Nginx {
    /// Serves the files below `folder/files` with 2 workers. Says why it cannot.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let files = folder.join("files");
        fs::create_dir_all(folder.join("logs")).unwrap();
        // Its workers may run as another user.
        for path in [folder, &files] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let address = free_address();
        let own = folder.display();
        let config = format!(
            "daemon off;\nworker_processes 2;\npid {own}/pid;\nerror_log {own}/logs/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 100000000;\n\
             client_body_temp_path {own}/body;\n  proxy_temp_path {own}/proxy;\n  fastcgi_temp_path {own}/fastcgi;\n\
             uwsgi_temp_path {own}/uwsgi;\n  scgi_temp_path {own}/scgi;\n\
             server {{ listen {address}; root {own}/files; etag on; }}\n}}\n"
        );
        let path = folder.join("nginx.conf");
        fs::write(&path, config).unwrap();
        let spawned = ["nginx", "/usr/sbin/nginx"].iter().find_map(|program| {
            let mut command = Command::new(program);
            command.arg("-p").arg(folder).arg("-c").arg(&path);
            command.stdin(Stdio::null()).spawn().ok()
        });
        let Some(mut child) = spawned else {
            return Err("there is no program nginx; Debian has it in nginx-light".into());
        };
        eventually(Duration::from_secs(10), || {
            if let Ok(Some(status)) = child.try_wait() {
                return Ok(Err(format!("nginx ended with {status}")));
            }
            TcpStream::connect(address)
                .map(|_| Ok(()))
                .map_err(|error| error.to_string())
        })?;
        Ok(Self {
            child,
            storage: Storage::new("nginx", address, "", None),
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A kill would leave its workers behind.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

/// An address on loopback that nobody listens on.
pub(super) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
