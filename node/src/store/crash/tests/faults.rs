//! The crash disk itself: it must forget what may be forgotten, or the other tests prove nothing.
