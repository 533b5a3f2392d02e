//! Concurrent versions and who learns of what replaced them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use cairn::mesh::{Condition, Precondition, TagSet};
use cairn::model::DocumentPath;
use cairn_sim::{World, laws};

/// Node 0 replaces node 2's version and, blindly, its own next one together with node 1's. Node 2 gets only the last
/// of these changes, and must drop its own version all the same.
#[test]
fn a_change_tells_what_its_own_sibling_had_replaced() {
    let mut world = World::new(1, 3).unwrap();
    let path: DocumentPath = "/shared/m/a".parse().unwrap();
    let pause = Duration::from_secs(2);
    world.put(2, &path, b"of two", Precondition::default()).unwrap();
    world.link(0, 2).unwrap();
    world.run(pause).unwrap();
    world.cut(0, 2).unwrap();
    let tag = world.etag(0, &path).unwrap();
    let over = Precondition(vec![Condition::IfMatch(TagSet::Tags(vec![tag]))]);
    world.put(0, &path, b"of zero", over).unwrap();
    world.run(pause).unwrap();
    world.put(1, &path, b"of one", Precondition::default()).unwrap();
    world.link(0, 1).unwrap();
    world.run(pause).unwrap();
    world.put(0, &path, b"blind", Precondition::default()).unwrap();
    world.link(0, 2).unwrap();
    world.run(Duration::from_secs(60)).unwrap();
    assert_eq!(laws::converged(&world), Ok(()));
}
