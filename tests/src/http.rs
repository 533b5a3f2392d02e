//! A client of the HTTP door.

use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

use crate::eventually;

/// How long a document may take to come, on a busy machine.
const READ_MAX: Duration = Duration::from_secs(60);

/// A text as an address takes it: everything encoded that is more than a letter, a digit or `-._~`.
pub fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Talks to one storage root with one token.
#[derive(Clone)]
pub struct Http {
    root: String,
    token: String,
    agent: Agent,
}

impl Http {
    /// A client.
    pub fn new(root: &str, token: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        Self {
            root: root.to_owned(),
            token: token.to_owned(),
            agent: config.into(),
        }
    }

    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// PUT; gives status and ETag.
    pub fn put(
        &self,
        path: &str,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<(u16, String), ureq::Error> {
        let mut request = self
            .agent
            .put(self.url(path))
            .header("Authorization", self.bearer());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send(body)?;
        Ok((response.status().as_u16(), etag(&response)))
    }

    /// PUT that must succeed; gives the ETag.
    pub fn store(&self, path: &str, body: &[u8]) -> String {
        let (status, etag) = self.put(path, body, &[]).expect("the door answers");
        assert!(status == 200 || status == 201, "PUT {path}: {status}");
        etag
    }

    /// GET; gives status, body and ETag.
    pub fn get(&self, path: &str) -> Result<(u16, Vec<u8>, String), ureq::Error> {
        let mut response = self
            .agent
            .get(self.url(path))
            .header("Authorization", self.bearer())
            .call()?;
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
        Ok((response.status().as_u16(), body, etag(&response)))
    }

    /// Waits until a document can be read, and is this.
    #[track_caller]
    pub fn reads(&self, path: &str, body: &[u8]) {
        eventually(READ_MAX, || {
            let (status, found, _) = self.get(path).map_err(|error| error.to_string())?;
            (status == 200 && found == body)
                .then_some(())
                .ok_or_else(|| format!("{path}: {status}, {} bytes", found.len()))
        });
    }

    /// DELETE; gives the status.
    pub fn delete(&self, path: &str) -> Result<u16, ureq::Error> {
        let response = self
            .agent
            .delete(self.url(path))
            .header("Authorization", self.bearer())
            .call()?;
        Ok(response.status().as_u16())
    }
}

fn etag(response: &Response<Body>) -> String {
    response
        .headers()
        .get("etag")
        .and_then(|tag| tag.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
