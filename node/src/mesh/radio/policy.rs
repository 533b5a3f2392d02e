//! Which payloads a node fetches by radio on its own account.

use crate::model::Category;

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

    /// Says whether a payload of `len` bytes is fetched unasked.
    pub fn takes(&self, category: Category, len: u64) -> bool {
        let len_max = match category {
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
        for (category, most) in [
            (Category::Public, 10),
            (Category::Private, 0),
            (Category::Shared, 20),
        ] {
            assert!(
                policy.takes(category, most) && !policy.takes(category, most + 1),
                "{category:?}"
            );
        }
    }
}
