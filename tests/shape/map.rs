//! The map of the house, read from the doc comment of `src/lib.rs`.

use std::collections::BTreeMap;

/// Which room is on which floor.
#[derive(Debug)]
pub struct Map {
    floors: BTreeMap<String, u32>,
}

impl Map {
    /// Reads the table: lines of a ```` ```text ```` block that begin with a floor number. What
    /// stands in parentheses explains; a line between two rooms is drawn for the reader.
    pub fn parse(lib: &str) -> Self {
        let mut floors = BTreeMap::new();
        for line in lib.lines().filter_map(|line| line.strip_prefix("//!")) {
            let without_remarks: String = line
                .split('(')
                .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest))
                .collect();
            let mut words = without_remarks.split_whitespace();
            let Some(Ok(floor)) = words.next().map(str::parse) else {
                continue;
            };
            for room in words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase())) {
                let before = floors.insert(room.to_owned(), floor);
                assert_eq!(before, None, "{room} is twice on the map");
            }
        }
        Self { floors }
    }

    pub fn floor(&self, room: &str) -> Option<u32> {
        self.floors.get(room).copied()
    }

    /// Whether `from` may use `to`: a lower floor, or one of the edges on one floor.
    pub fn allows(&self, from: &str, to: &str) -> bool {
        let (Some(from_floor), Some(to_floor)) = (self.floor(from), self.floor(to)) else {
            return false;
        };
        from == to
            || to_floor < from_floor
            || (from_floor == 1 && to_floor == 1)
            || SAME_FLOOR.contains(&(from, to))
    }
}

/// Edges between rooms of one floor. Floor 1 is the vocabulary, whose words may use one another.
const SAME_FLOOR: [(&str, &str); 8] = [
    ("control", "engine"),
    ("renewal", "engine"),
    ("founding", "takeover"),
    ("admin", "store"),
    ("reasons", "store"),
    ("watch", "store"),
    ("credential", "lanes"),
    ("dynsec", "policy"),
];

#[test]
fn the_map_is_read_as_it_is_drawn() {
    let map = Map::parse(
        "//! ```text\n//!  5   ffi (the door)   cli (2 doors)\n//!  3   admin ── store\n//! ```\n",
    );
    assert_eq!(map.floor("ffi"), Some(5));
    assert_eq!(map.floor("cli"), Some(5));
    assert_eq!(map.floor("store"), Some(3));
    assert_eq!(map.floor("door"), None);
    assert!(map.allows("ffi", "store") && map.allows("admin", "store"));
    assert!(!map.allows("store", "ffi") && !map.allows("store", "admin"));
    assert!(!map.allows("ffi", "cli") && !map.allows("ffi", "cellar"));
}
