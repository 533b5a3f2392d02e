//! Which payloads a node fetches by radio on its own account.

use crate::model::{Category, DocumentPath};

/// Longest payload that is fetched by radio without anybody asking for it, in bytes, for each category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadPolicy {
    /// Of documents in `public/`.
    pub public: u64,
    /// Of documents in `private/`.
    pub private: u64,
    /// Of documents in `shared/`.
    pub shared: u64,
}

impl PayloadPolicy {
    /// What takes a quarter of an hour at SF8.
    pub const DEFAULT: Self = Self::all(128 * 1024);

    /// The same for all categories.
    pub const fn all(len_max: u64) -> Self {
        Self {
            public: len_max,
            private: len_max,
            shared: len_max,
        }
    }

    /// Says whether a payload of `len` bytes at `path` is fetched unasked.
    pub fn takes(&self, path: &DocumentPath, len: u64) -> bool {
        let len_max = match path.category() {
            Category::Public => self.public,
            Category::Private => self.private,
            Category::Shared => self.shared,
        };
        len <= len_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_category_has_its_own_bound() {
        let policy = PayloadPolicy {
            public: 10,
            private: 0,
            shared: 20,
        };
        for (path, most) in [("/public/a/b", 10), ("/private/a/b", 0), ("/shared/a/b", 20)] {
            let path = DocumentPath::parse(path).unwrap();
            assert!(
                policy.takes(&path, most) && !policy.takes(&path, most + 1),
                "{path}"
            );
        }
    }
}
