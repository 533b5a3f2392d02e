//! Who is near enough to a sender to matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config::MediumConfig;
use super::grid::{Grid, Place};
use super::path_loss::Line;
use super::shadowing::Shadowing;

/// A way from a sender to one that can hear it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Way {
    pub(super) to: u32,
    pub(super) loss_db: f32,
}

/// The ways from one sender, in the order of the stations.
#[derive(Clone, Debug)]
struct Ways {
    ways: Arc<[Way]>,
    /// All are here that lose no more than this.
    loss_max_db: f32,
}

/// Places and budgets, and for each sender the stations in its reach.
///
/// A list is made when its sender needs it, from the squares around it, and is forgotten when somebody moves who is in it or may come into
/// it. Whoever holds a list keeps it as it was.
#[derive(Debug)]
pub(super) struct Reach {
    line: Line,
    shadowing: Shadowing,
    unplaced_loss_db: f32,
    seed: u64,
    places: Vec<Option<Place>>,
    unplaced: BTreeSet<u32>,
    grid: Grid,
    budgets: BTreeMap<(u32, u32), Option<f32>>,
    lists: Vec<Option<Ways>>,
    /// How many lists there are, so that a world that is being set up pays for none.
    listed: usize,
    /// The list of every sender that has neither place nor budgets. It has the sender itself in it.
    everybody: Option<Ways>,
    /// The greatest loss that any list was made for.
    loss_max_db: f32,
}

impl Reach {
    pub(super) fn new(config: &MediumConfig, seed: u64) -> Self {
        Self {
            line: config.path_loss.line(),
            shadowing: config.shadowing,
            unplaced_loss_db: config.unplaced_loss_db,
            seed,
            places: Vec::new(),
            unplaced: BTreeSet::new(),
            grid: Grid::default(),
            budgets: BTreeMap::new(),
            lists: Vec::new(),
            listed: 0,
            everybody: None,
            loss_max_db: f32::NEG_INFINITY,
        }
    }

    pub(super) fn add(&mut self) {
        self.unplaced.insert(self.places.len() as u32);
        self.places.push(None);
        self.lists.push(None);
        self.forget_all();
    }

    pub(super) fn place_of(&self, station: u32) -> Option<Place> {
        self.places[station as usize]
    }

    pub(super) fn place(&mut self, station: u32, place: Place) {
        let old = self.places[station as usize].replace(place);
        if old == Some(place) {
            return;
        }
        match old {
            Some(old) => {
                self.grid.remove(station, old);
                self.forget_around(old);
                self.forget(station);
            }
            None => {
                self.unplaced.remove(&station);
                self.forget_all();
            }
        }
        self.grid.insert(station, place);
        self.forget_around(place);
    }

    /// Puts a measured loss over the model; `None` takes it away.
    pub(super) fn set_budget(&mut self, from: u32, to: u32, budget: Option<Option<f32>>) {
        match budget {
            Some(loss_db) => self.budgets.insert((from, to), loss_db),
            None => self.budgets.remove(&(from, to)),
        };
        self.forget(from);
    }

    /// How much weaker one hears the other. `None`: not at all.
    pub(super) fn loss_db(&self, from: u32, to: u32) -> Option<f32> {
        match self.budgets.get(&(from, to)) {
            Some(budget) => *budget,
            None => Some(self.modelled_db(from, to)),
        }
    }

    /// The stations that hear this one with no greater loss, and perhaps some more.
    pub(super) fn ways(&mut self, from: u32, loss_max_db: f32) -> Arc<[Way]> {
        let is_plain = self.places[from as usize].is_none()
            && (self.budgets.range((from, 0)..=(from, u32::MAX)).next()).is_none();
        let known = if is_plain {
            &self.everybody
        } else {
            &self.lists[from as usize]
        };
        if let Some(known) = known.as_ref().filter(|known| known.loss_max_db >= loss_max_db) {
            return known.ways.clone();
        }
        self.loss_max_db = self.loss_max_db.max(loss_max_db);
        let ways: Arc<[Way]> = if is_plain {
            let all = (0..self.places.len() as u32).map(|to| Way {
                to,
                loss_db: self.unplaced_loss_db,
            });
            all.filter(|way| way.loss_db <= loss_max_db).collect()
        } else {
            self.find(from, loss_max_db).into()
        };
        let list = Some(Ways {
            ways: ways.clone(),
            loss_max_db,
        });
        if is_plain {
            self.everybody = list;
        } else {
            self.listed += usize::from(self.lists[from as usize].is_none());
            self.lists[from as usize] = list;
        }
        ways
    }

    fn modelled_db(&self, from: u32, to: u32) -> f32 {
        match (self.places[from as usize], self.places[to as usize]) {
            (Some(one), Some(other)) => {
                let loss_db = self.line.loss_db(one.distance_m(other));
                (loss_db + self.shadowing.loss_db(self.seed, from, to)) as f32
            }
            _ => self.unplaced_loss_db,
        }
    }

    fn find(&self, from: u32, loss_max_db: f32) -> Vec<Way> {
        let mut candidates: Vec<u32> = match self.places[from as usize] {
            Some(place) => {
                let near = self.grid.near(place, self.distance_m(loss_max_db));
                near.chain(self.unplaced.iter().copied()).collect()
            }
            None => (0..self.places.len() as u32).collect(),
        };
        let budgets = self.budgets.range((from, 0)..=(from, u32::MAX));
        let has_budgets = budgets.clone().next().is_some();
        candidates.extend(budgets.map(|((_, to), _)| *to));
        candidates.sort_unstable();
        candidates.dedup();
        let loss_db = |to| {
            if has_budgets {
                self.loss_db(from, to)
            } else {
                Some(self.modelled_db(from, to))
            }
        };
        let others = candidates.into_iter().filter(|to| *to != from);
        let ways = others.filter_map(|to| loss_db(to).map(|loss_db| Way { to, loss_db }));
        ways.filter(|way| way.loss_db <= loss_max_db).collect()
    }

    /// Nobody that is further away is reached with so much loss.
    fn distance_m(&self, loss_max_db: f32) -> f64 {
        let luckiest_db = f64::from(loss_max_db) + self.shadowing.gain_max_db();
        self.line.distance_m(luckiest_db)
    }

    fn forget(&mut self, station: u32) {
        if self.lists[station as usize].take().is_some() {
            self.listed -= 1;
        }
    }

    fn forget_around(&mut self, place: Place) {
        if self.listed == 0 {
            return;
        }
        let distance_m = self.distance_m(self.loss_max_db);
        for station in self.grid.near(place, distance_m) {
            if self.lists[station as usize].take().is_some() {
                self.listed -= 1;
            }
        }
    }

    fn forget_all(&mut self) {
        self.everybody = None;
        if self.listed > 0 {
            self.lists.fill(None);
            self.listed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PathLoss;
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// A world in which some stations have places, some have budgets and some have neither.
    struct Dice(ChaCha8Rng);

    impl Dice {
        fn below(&mut self, bound: u64) -> u64 {
            self.0.next_u64() % bound
        }

        fn place(&mut self, side_m: u64) -> Place {
            let mut metres = || self.0.next_u64() % (2 * side_m);
            let (x, y) = (metres(), metres());
            Place {
                x_m: x as f64 - side_m as f64,
                y_m: y as f64 - side_m as f64,
            }
        }
    }

    fn assert_lists_are_right(reach: &mut Reach, loss_max_db: f32, world: u64) {
        let count = reach.places.len() as u32;
        for from in 0..count {
            let listed: Vec<Way> = (reach.ways(from, loss_max_db).iter().copied())
                .filter(|way| way.to != from && way.loss_db <= loss_max_db)
                .collect();
            let all = (0..count).filter(|to| *to != from);
            let expected: Vec<Way> = all
                .filter_map(|to| reach.loss_db(from, to).map(|loss_db| Way { to, loss_db }))
                .filter(|way| way.loss_db <= loss_max_db)
                .collect();
            assert_eq!(listed, expected, "world {world}, from {from}");
        }
    }

    #[test]
    fn lists_hold_those_whom_asking_everybody_would_find() {
        let models = [
            PathLoss::LORASIM,
            PathLoss::FreeSpace { frequency_mhz: 868.0 },
            PathLoss::Macro3gpp {
                frequency_mhz: 908.75,
                height_m: 1.0,
                is_metropolitan: false,
            },
        ];
        for world in 0..120 {
            let mut dice = Dice(ChaCha8Rng::seed_from_u64(world));
            let config = MediumConfig {
                path_loss: models[dice.below(3) as usize],
                shadowing: Shadowing {
                    sigma_db: dice.below(9) as f64,
                    asymmetry_db: dice.below(3) as f64,
                },
                ..MediumConfig::default()
            };
            let mut reach = Reach::new(&config, world);
            let count = 2 + dice.below(40) as u32;
            let side_m = [50, 3_000, 40_000, 2_000_000][dice.below(4) as usize];
            for station in 0..count {
                reach.add();
                if dice.below(8) > 0 {
                    reach.place(station, dice.place(side_m));
                }
            }
            for _ in 0..12 {
                let loss_max_db = 90.0 + dice.below(80) as f32;
                assert_lists_are_right(&mut reach, loss_max_db, world);
                let (one, other) = (dice.below(count.into()) as u32, dice.below(count.into()) as u32);
                match dice.below(4) {
                    0 => reach.set_budget(one, other, Some(Some(dice.below(200) as f32))),
                    1 => reach.set_budget(one, other, [Some(None), None][dice.below(2) as usize]),
                    2 => reach.place(one, dice.place(side_m)),
                    _ => reach.add(),
                }
                assert_lists_are_right(&mut reach, loss_max_db, world);
            }
        }
    }

    #[test]
    fn a_world_without_places_shares_one_list() {
        let mut reach = Reach::new(&MediumConfig::default(), 1);
        for _ in 0..5 {
            reach.add();
        }
        let one = reach.ways(0, 150.0);
        assert!(Arc::ptr_eq(&one, &reach.ways(4, 120.0)));
        assert_eq!(one.len(), 5);
        assert!(reach.ways(0, 60.0).len() == 5, "a longer list serves too");
    }
}
