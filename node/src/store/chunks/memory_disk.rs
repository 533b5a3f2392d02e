//! A disk in memory, for the simulator and for tests: it forgets nothing while it lives.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ChunkDisk;
use super::disk::parent;

/// A folder in memory.
#[derive(Debug)]
pub struct MemoryDisk(Mutex<BTreeMap<String, Node>>);

#[derive(Debug)]
enum Node {
    Dir,
    File(Vec<u8>),
}

type Nodes = BTreeMap<String, Node>;

impl MemoryDisk {
    /// An empty folder.
    pub fn new() -> Self {
        Self(Mutex::new(BTreeMap::from([(String::new(), Node::Dir)])))
    }

    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

fn check_dir(nodes: &Nodes, path: &str) -> io::Result<()> {
    match nodes.get(path) {
        Some(Node::Dir) => Ok(()),
        Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

fn file<'a>(nodes: &'a Nodes, path: &str) -> io::Result<&'a Vec<u8>> {
    match nodes.get(path) {
        Some(Node::File(bytes)) => Ok(bytes),
        Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

impl ChunkDisk for MemoryDisk {
    fn make_dir(&self, path: &str) -> io::Result<()> {
        let mut nodes = self.nodes();
        check_dir(&nodes, parent(path))?;
        nodes.entry(path.to_owned()).or_insert(Node::Dir);
        Ok(())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut nodes = self.nodes();
        check_dir(&nodes, parent(path))?;
        nodes.insert(path.to_owned(), Node::File(bytes.to_vec()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut nodes = self.nodes();
        file(&nodes, from)?;
        check_dir(&nodes, parent(to))?;
        if let Some(node) = nodes.remove(from) {
            nodes.insert(to.to_owned(), node);
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut nodes = self.nodes();
        file(&nodes, path)?;
        nodes.remove(path);
        Ok(())
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        file(&self.nodes(), path).map(|_| ())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        check_dir(&self.nodes(), path)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, path: &str, len_max: usize) -> io::Result<Vec<u8>> {
        let nodes = self.nodes();
        let bytes = file(&nodes, path)?;
        Ok(bytes[..bytes.len().min(len_max)].to_vec())
    }

    fn len(&self, path: &str) -> io::Result<u64> {
        Ok(file(&self.nodes(), path)?.len() as u64)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let nodes = self.nodes();
        check_dir(&nodes, path)?;
        let below = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        Ok(nodes
            .range(below.clone()..)
            .map_while(|(name, _)| name.strip_prefix(&below))
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }
}
