//! Every key that a scenario may have.
//!
//! Long, and one thing: a table that is read from top to bottom as the manual is.

use super::quantity::{DAY_US, HOUR_US, SECOND_US};
use super::schema::{Key, Kind, Kinds, LONGEST_US, REQUIRED, Section, Takes};

/// Most nodes of a scenario.
pub(super) const NODES_MAX: usize = 50_000;
/// Longest document, in bytes.
const BODY_LEN_MAX: u64 = 64 << 20;
/// Highest rate of anything, an hour.
const PER_HOUR_MAX: f64 = 1e6;
/// Farthest place from the origin, in metres.
pub(super) const PLACE_MAX_M: f64 = 1e6;

const SHARE: Takes = Takes::Number(0.0, 1.0);
const TIME: Takes = Takes::Duration(0, LONGEST_US);
const SPAN: Takes = Takes::Duration(SECOND_US, LONGEST_US);
const LENGTH: Takes = Takes::Size(0, BODY_LEN_MAX);

const fn key(name: &'static str, takes: Takes, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        takes,
        default,
        about,
    }
}

const fn plain(title: &'static str, about: &'static str, keys: &'static [Key]) -> Section {
    Section {
        title,
        about,
        keys,
        kinds: None,
    }
}

/// The whole of a scenario.
pub(super) static SCENARIO: Section = plain(
    "the scenario",
    "Stands at the head of the file, before the first table.",
    &[
        key("name", Takes::Name, REQUIRED, "The scenario's name."),
        key(
            "about",
            Takes::Text,
            "nothing is said",
            "What it shows, in a sentence or two.",
        ),
        key(
            "duration",
            SPAN,
            REQUIRED,
            "How long users write and things break.",
        ),
        key(
            "settle",
            TIME,
            "as long as the duration, 1 d at most",
            "How long convergence is awaited after the duration. The run ends when all is everywhere, or then.",
        ),
        key(
            "sample",
            SPAN,
            "a hundredth of the duration, 1 s at least",
            "How often the state of the whole is noted for the plots.",
        ),
        key(
            "seed",
            Takes::Integer(0, i64::MAX),
            "1",
            "What makes everything random, unless `--seed` gives another.",
        ),
        key(
            "origin",
            Takes::Position,
            "the first point of the first GPX file",
            "Which place on earth is [0, 0]; only GPX files ask for it.",
        ),
        key(
            "radio",
            Takes::Table(&RADIO),
            "nobody has a radio",
            "The radio channel.",
        ),
        key(
            "nodes",
            Takes::Tables(&NODES),
            REQUIRED,
            "Who takes part, a table for each group of like nodes.",
        ),
        key(
            "links",
            Takes::Tables(&LINKS),
            "there are no wires",
            "Wired links.",
        ),
        key(
            "budgets",
            Takes::Tables(&BUDGETS),
            "distance decides",
            "What was measured between radios.",
        ),
        key(
            "faults",
            Takes::Tables(&FAULTS),
            "nothing breaks",
            "What breaks, and when.",
        ),
        key(
            "byzantine",
            Takes::Tables(&BYZANTINE),
            "nobody lies",
            "Nodes that do not keep to the protocol.",
        ),
        key(
            "workload",
            Takes::Tables(&WORKLOAD),
            "nobody writes",
            "What users write.",
        ),
        key(
            "expect",
            Takes::Table(&EXPECT),
            "nothing but the laws",
            "Bounds: a run that breaks one exits with 1.",
        ),
    ],
);

const LORA_KEYS: &[Key] = &[
    key(
        "spreading_factor",
        Takes::Integer(5, 12),
        "8",
        "Each step up reaches some 2.5 dB further and takes twice as long.",
    ),
    key(
        "bandwidth_hz",
        Takes::Integer(7_800, 1_625_000),
        "125000",
        "Width of the channel.",
    ),
    key(
        "coding_rate",
        Takes::Integer(5, 8),
        "5",
        "The denominator: 5 is 4/5, 8 is 4/8.",
    ),
];

static RADIO: Section = Section {
    title: "[radio]",
    about: "One channel, for all nodes that have a radio.",
    keys: &[
        key(
            "region",
            Takes::OneOf(&["EU868", "EU433", "US915", "AU915", "AS923", "IN865"]),
            "EU868",
            "Whose rules hold: power, duty cycle and dwell time.",
        ),
        key(
            "frequency_hz",
            Takes::Integer(137_000_000, 3_000_000_000),
            "the region's usual one, 869525000 in EU868",
            "Middle of the channel. The sub-band that holds it says how long one may send.",
        ),
        key(
            "tx_power_dbm",
            Takes::Integer(0, 37),
            "14",
            "At the modem's port.",
        ),
        key(
            "antenna_gain_dbi",
            Takes::Number(-30.0, 30.0),
            "0",
            "Of each antenna, cable losses taken off.",
        ),
        key(
            "propagation",
            Takes::OneOf(&["log-distance", "suburban", "metropolitan", "free-space"]),
            "log-distance",
            "How a signal fades with distance: by the three numbers below, as in a suburb or a city with antennas at a metre (3GPP), or from hill to hill with nothing between.",
        ),
        key(
            "reference_m",
            Takes::Number(0.1, 1e6),
            "40",
            "Log-distance: where the loss was measured.",
        ),
        key(
            "reference_loss_db",
            Takes::Number(0.0, 300.0),
            "127.41",
            "Log-distance: the loss there (Bor et al. 2016).",
        ),
        key(
            "exponent",
            Takes::Number(1.0, 10.0),
            "2.08",
            "Log-distance: 2 in free space, 2.7 to 4 on the ground.",
        ),
        key(
            "shadowing_db",
            Takes::Number(0.0, 30.0),
            "0",
            "Standard deviation of what stands between two places, drawn once for each pair.",
        ),
        key(
            "fading_db",
            Takes::Number(0.0, 30.0),
            "0",
            "Standard deviation of what changes from frame to frame.",
        ),
        key(
            "capture_db",
            Takes::Number(0.0, 30.0),
            "6",
            "A frame survives another that is so much weaker.",
        ),
        key(
            "inter_sf",
            Takes::OneOf(&["none", "goursaud", "croce"]),
            "goursaud",
            "What frames of different spreading factors do to one another.",
        ),
        key(
            "noise_figure_db",
            Takes::Number(0.0, 20.0),
            "6",
            "What a receiver's electronics add to the noise.",
        ),
        key(
            "loss",
            SHARE,
            "0",
            "Share of the frames in reach that each receiver loses by chance.",
        ),
        key(
            "bursts",
            Takes::Table(&BURSTS),
            "losses are even",
            "Times in which more gets lost.",
        ),
        key(
            "listen_before_talk",
            Takes::Flag,
            "true",
            "Modems wait while they hear others.",
        ),
        key(
            "tx_mw",
            Takes::Number(0.0, 1e5),
            "400",
            "What sending takes from the battery.",
        ),
        key("rx_mw", Takes::Number(0.0, 1e5), "40", "What receiving takes."),
        key(
            "idle_mw",
            Takes::Number(0.0, 1e5),
            "35",
            "What listening to an empty channel takes.",
        ),
    ],
    kinds: Some(Kinds {
        key: "modem",
        default: Some("rnode"),
        all: &[
            Kind {
                name: "rnode",
                about: "a board with RNode firmware",
                keys: LORA_KEYS,
            },
            Kind {
                name: "rylr",
                about: "a REYAX RYLR896 or RYLR998",
                keys: LORA_KEYS,
            },
            Kind {
                name: "e22",
                about: "an EBYTE E22, as on Waveshare's LoRa HAT",
                keys: &[key(
                    "air_rate_bps",
                    Takes::Integer(300, 62_500),
                    "2400",
                    "300, 1200, 2400, 4800, 9600, 19200, 38400 or 62500.",
                )],
            },
        ],
    }),
};

static BURSTS: Section = plain(
    "bursts = { … }",
    "A channel that is good or bad in turns, for each receiver by itself.",
    &[
        key("good", SPAN, REQUIRED, "Mean length of good times."),
        key("bad", SPAN, REQUIRED, "Mean length of bad times."),
        key("loss", SHARE, "1", "Share that gets lost in bad times."),
    ],
);

static NODES: Section = plain(
    "[[nodes]]",
    "Like nodes: one, or a group. A group `house` of 40 has the nodes `house-1` to `house-40`.",
    &[
        key("name", Takes::Name, REQUIRED, "What the other tables call it."),
        key("count", Takes::Integer(1, NODES_MAX as i64), "1", "How many."),
        key(
            "space",
            Takes::Name,
            "main",
            "Whose data they keep: nodes of one space are one owner's and share everything.",
        ),
        key(
            "spaces",
            Takes::Integer(1, NODES_MAX as i64),
            "1",
            "So many spaces, `space-1` and so on, evenly: the first nodes are in the first one.",
        ),
        key(
            "place",
            Takes::Point,
            "[0, 0]",
            "Where it is. One of `place`, `places`, `area`, `grid`, `line` and `ring`.",
        ),
        key(
            "places",
            Takes::Points,
            "see `place`",
            "Where each is: as many as nodes.",
        ),
        key("area", Takes::Table(&AREA), "see `place`", "Scattered by chance."),
        key(
            "cluster_radius_m",
            Takes::Number(0.0, PLACE_MAX_M),
            "nodes are scattered each by itself",
            "With `area`: only the middle of each space is scattered there, and its nodes lie within so many metres of it.",
        ),
        key(
            "grid",
            Takes::Table(&GRID),
            "see `place`",
            "In rows, from west to east and from south to north.",
        ),
        key(
            "line",
            Takes::Table(&LINE),
            "see `place`",
            "Evenly from one place to another.",
        ),
        key("ring", Takes::Table(&RING), "see `place`", "Evenly on a circle."),
        key(
            "movement",
            Takes::Table(&MOVEMENT),
            "they stand",
            "How they move.",
        ),
        key(
            "radio",
            Takes::Flag,
            "true if there is a [radio]",
            "They have a radio.",
        ),
        key(
            "spreading_factor",
            Takes::Integer(5, 12),
            "as in [radio]",
            "Of their radios.",
        ),
        key(
            "tx_power_dbm",
            Takes::Integer(0, 37),
            "as in [radio]",
            "Of their radios.",
        ),
        key(
            "antenna_gain_dbi",
            Takes::Number(-30.0, 30.0),
            "as in [radio]",
            "Of their antennas.",
        ),
        key(
            "wired",
            Takes::Flag,
            "true",
            "They can have wired links. Without, \"*\" in [[links]] leaves them out.",
        ),
        key(
            "clock",
            Takes::Table(&CLOCK),
            "right",
            "How wrong their clocks are.",
        ),
        key("duty", Takes::Table(&DUTY), "always up", "When they sleep."),
        key(
            "disk",
            Takes::Size(1 << 16, 1 << 50),
            "\"1 TiB\"",
            "What each disk has room for.",
        ),
        key(
            "starts",
            TIME,
            "0s",
            "When they are switched on for the first time.",
        ),
    ],
);

static AREA: Section = plain(
    "area = { … }",
    "A rectangle with `corner`, `width_m` and `height_m`, or a circle with `centre` and `radius_m`.",
    &[
        key("corner", Takes::Point, "[0, 0]", "South-western corner."),
        key(
            "width_m",
            Takes::Number(0.0, PLACE_MAX_M),
            "it is a circle",
            "West to east.",
        ),
        key(
            "height_m",
            Takes::Number(0.0, PLACE_MAX_M),
            "it is a circle",
            "South to north.",
        ),
        key("centre", Takes::Point, "[0, 0]", "Middle of the circle."),
        key(
            "radius_m",
            Takes::Number(0.0, PLACE_MAX_M),
            "it is a rectangle",
            "Of the circle.",
        ),
    ],
);

static GRID: Section = plain(
    "grid = { … }",
    "Rows of nodes.",
    &[
        key(
            "corner",
            Takes::Point,
            "[0, 0]",
            "The first node, in the south-west.",
        ),
        key(
            "columns",
            Takes::Integer(1, NODES_MAX as i64),
            "a square",
            "Nodes in a row.",
        ),
        key(
            "spacing_m",
            Takes::Number(0.0, PLACE_MAX_M),
            REQUIRED,
            "Between neighbours.",
        ),
    ],
);

static LINE: Section = plain(
    "line = { … }",
    "A row of nodes.",
    &[
        key("from", Takes::Point, "[0, 0]", "The first node."),
        key("to", Takes::Point, REQUIRED, "The last one."),
    ],
);

static RING: Section = plain(
    "ring = { … }",
    "A circle of nodes.",
    &[
        key("centre", Takes::Point, "[0, 0]", "Its middle."),
        key(
            "radius_m",
            Takes::Number(0.0, PLACE_MAX_M),
            REQUIRED,
            "From the middle to each node.",
        ),
    ],
);

const PAUSE: Takes = Takes::Duration(0, 365 * DAY_US);

static MOVEMENT: Section = Section {
    title: "[nodes.movement]",
    about: "How the nodes of the group above move.",
    keys: &[],
    kinds: Some(Kinds {
        key: "kind",
        default: None,
        all: &[
            Kind {
                name: "stand",
                about: "not at all",
                keys: &[],
            },
            Kind {
                name: "waypoints",
                about: "to a place drawn in an area, a pause, and on",
                keys: &[
                    key("area", Takes::Table(&AREA), REQUIRED, "Where to."),
                    key(
                        "speed_m_s",
                        Takes::NumberRange(0.01, 1000.0),
                        REQUIRED,
                        "Slowest and fastest: drawn for each way.",
                    ),
                    key(
                        "pause",
                        Takes::DurationRange(0, 365 * DAY_US),
                        "no pauses",
                        "Shortest and longest: drawn for each stop.",
                    ),
                ],
            },
            Kind {
                name: "rounds",
                about: "from stop to stop, and from the last to the first again",
                keys: &[
                    key(
                        "stops",
                        Takes::Points,
                        REQUIRED,
                        "At least two. It begins at the first.",
                    ),
                    key(
                        "speed_m_s",
                        Takes::Number(0.01, 1000.0),
                        REQUIRED,
                        "On the way; 4 is a bicycle.",
                    ),
                    key("pause", PAUSE, "0s", "At each stop."),
                ],
            },
            Kind {
                name: "track",
                about: "as recorded",
                keys: &[
                    key(
                        "file",
                        Takes::Path,
                        REQUIRED,
                        "A CSV file with lines `time,x,y` (seconds and metres), or a GPX file with times.",
                    ),
                    key(
                        "starts",
                        TIME,
                        "0s",
                        "When the first point of the file is reached.",
                    ),
                ],
            },
        ],
    }),
};

static CLOCK: Section = plain(
    "clock = { … }",
    "How wrong clocks are.",
    &[
        key(
            "ahead",
            Takes::SignedDuration(100 * 365 * DAY_US),
            "\"0s\"",
            "All of them are so far ahead, or behind with a minus.",
        ),
        key(
            "spread",
            Takes::Duration(0, 100 * 365 * DAY_US),
            "\"0s\"",
            "And each by up to so much more, either way.",
        ),
        key(
            "drift_ppm",
            Takes::Number(0.0, 1000.0),
            "0",
            "Each gains or loses up to so many millionths.",
        ),
        key(
            "unset",
            Takes::Flag,
            "false",
            "They have no battery: each start begins in 1970.",
        ),
    ],
);

static DUTY: Section = plain(
    "duty = { … }",
    "Nodes that sleep; each begins at a time of its own in the cycle.",
    &[
        key("up", SPAN, REQUIRED, "Up for so long,"),
        key("down", SPAN, REQUIRED, "then down for so long."),
    ],
);

const LATENCY: Key = key(
    "latency",
    Takes::Duration(0, HOUR_US),
    "\"1ms\"",
    "How long a frame takes at least.",
);
const JITTER: Key = key(
    "jitter",
    Takes::Duration(0, HOUR_US),
    "\"0s\"",
    "And up to so much longer.",
);
const BANDWIDTH: Key = key(
    "bandwidth_bps",
    Takes::Integer(1, i64::MAX),
    "no bound",
    "Bits a second: frames wait for one another.",
);
const LOSS: Key = key("loss", SHARE, "0", "Share of frames that get lost.");
const DUPLICATE: Key = key("duplicate", SHARE, "0", "Share of frames that come twice.");
const REORDER: Key = key(
    "reorder",
    Takes::Flag,
    "false",
    "Frames may overtake one another, by the jitter.",
);

static BACK: Section = plain(
    "back = { … }",
    "The way back, where it differs: what is not given is as on the way there.",
    &[LATENCY, JITTER, BANDWIDTH, LOSS, DUPLICATE, REORDER],
);

static LINKS: Section = Section {
    title: "[[links]]",
    about: "Wired links, within a group or between two.",
    keys: &[
        key(
            "from",
            Takes::Nodes,
            REQUIRED,
            "One side; the way there begins here.",
        ),
        key("to", Takes::Nodes, "links are within `from`", "The other side."),
        LATENCY,
        JITTER,
        BANDWIDTH,
        LOSS,
        DUPLICATE,
        REORDER,
        key(
            "back",
            Takes::Table(&BACK),
            "as the way there",
            "The way back, where it differs.",
        ),
        key(
            "dial",
            Takes::OneOf(&["either", "from"]),
            "either",
            "Who can open the link: \"from\" as from behind a NAT.",
        ),
        key(
            "redial",
            Takes::Duration(1000, DAY_US),
            "\"10s\"",
            "How long one waits to dial again after the link broke.",
        ),
        key(
            "flaps",
            Takes::Table(&FLAPS),
            "it is up",
            "Goes down and comes back by itself.",
        ),
    ],
    kinds: Some(Kinds {
        key: "shape",
        default: Some("mesh"),
        all: &[
            Kind {
                name: "mesh",
                about: "each with each; between two sides, each of one with each of the other",
                keys: &[],
            },
            Kind {
                name: "ring",
                about: "each with the next, and the last with the first",
                keys: &[],
            },
            Kind {
                name: "line",
                about: "each with the next",
                keys: &[],
            },
            Kind {
                name: "star",
                about: "the first with all others",
                keys: &[],
            },
            Kind {
                name: "random",
                about: "drawn by chance, and connected",
                keys: &[key(
                    "degree",
                    Takes::Integer(1, 1000),
                    REQUIRED,
                    "Links of each node; between two sides, of each node of `from`.",
                )],
            },
        ],
    }),
};

static FLAPS: Section = plain(
    "flaps = { … }",
    "A link that goes down and comes back, at times drawn by chance.",
    &[
        key("up", SPAN, REQUIRED, "Mean time up."),
        key("down", SPAN, REQUIRED, "Mean time down."),
    ],
);

static BUDGETS: Section = plain(
    "[[budgets]]",
    "What was measured between radios: it counts instead of distance. Later ones override earlier ones.",
    &[
        key("between", Takes::TwoNodes, REQUIRED, "Sender and receiver."),
        key(
            "loss_db",
            Takes::Number(0.0, 300.0),
            "see `out_of_reach`",
            "From the first to the second, antennas included.",
        ),
        key(
            "back_loss_db",
            Takes::Number(0.0, 300.0),
            "as `loss_db`",
            "From the second to the first.",
        ),
        key(
            "out_of_reach",
            Takes::Flag,
            "false",
            "They never hear each other. Either this or `loss_db`.",
        ),
        key(
            "one_way",
            Takes::Flag,
            "false",
            "Says nothing about the way back.",
        ),
    ],
);

const DOWN: Key = key("for", SPAN, "until the end", "How long it lasts.");
const ON: Key = key("nodes", Takes::Nodes, "\"*\"", "Whom it may strike.");
const PICK: Key = key(
    "pick",
    Takes::Integer(1, NODES_MAX as i64),
    "all of `nodes`",
    "So many of them are drawn each time.",
);
const FRAMES: Key = key("share", SHARE, REQUIRED, "Share of frames.");

static FAULTS: Section = Section {
    title: "[[faults]]",
    about: "What breaks: once `at` a time, `every` so often, or so many `times` at times drawn between `from` and `until`.",
    keys: &[
        key("at", TIME, "see `every` and `times`", "Once, at this time."),
        key(
            "every",
            SPAN,
            "see `at` and `times`",
            "At even intervals, first after one of them.",
        ),
        key(
            "times",
            Takes::Integer(1, 100_000),
            "see `at` and `every`",
            "So often, at times drawn by chance.",
        ),
        key("from", TIME, "\"0s\"", "With `every` and `times`: not before."),
        key(
            "until",
            TIME,
            "the duration",
            "With `every` and `times`: not at or after.",
        ),
    ],
    kinds: Some(Kinds {
        key: "kind",
        default: None,
        all: &[
            Kind {
                name: "crash",
                about: "the power is cut, and what was not committed is gone",
                keys: &[
                    ON,
                    PICK,
                    key("for", SPAN, "until the end", "When the node starts again."),
                    key(
                        "disk_lost",
                        Takes::Flag,
                        "false",
                        "The disk is gone, too: the key stays, and nothing else.",
                    ),
                    key(
                        "torn_write",
                        Takes::Flag,
                        "false",
                        "The last write was torn in the middle.",
                    ),
                ],
            },
            Kind {
                name: "restart",
                about: "the node is stopped and started at once",
                keys: &[ON, PICK],
            },
            Kind {
                name: "disk-full",
                about: "the disk has no room",
                keys: &[ON, PICK, DOWN],
            },
            Kind {
                name: "clock-jump",
                about: "the clock is set to another time, and back when it is over",
                keys: &[
                    ON,
                    PICK,
                    DOWN,
                    key(
                        "by",
                        Takes::SignedDuration(100 * 365 * DAY_US),
                        REQUIRED,
                        "How far, with a minus back.",
                    ),
                ],
            },
            Kind {
                name: "clock-unset",
                about: "the node is started again with its clock in 1970",
                keys: &[ON, PICK, DOWN],
            },
            Kind {
                name: "link-down",
                about: "the wired links of a node are down",
                keys: &[ON, PICK, DOWN],
            },
            Kind {
                name: "split",
                about: "nobody reaches anybody of another side",
                keys: &[
                    key(
                        "sides",
                        Takes::Sides,
                        REQUIRED,
                        "Who stays with whom. Nodes on no side are not cut off.",
                    ),
                    DOWN,
                    key("wired", Takes::Flag, "true", "Wired links are cut."),
                    key("radio", Takes::Flag, "true", "Radios do not hear one another."),
                ],
            },
            Kind {
                name: "loss",
                about: "frames get lost on the way to a node",
                keys: &[ON, PICK, DOWN, FRAMES],
            },
            Kind {
                name: "corrupt",
                about: "bits of frames are turned over on their way: links and seals tell, and the frames are lost",
                keys: &[ON, PICK, DOWN, FRAMES],
            },
            Kind {
                name: "duplicate",
                about: "frames arrive twice",
                keys: &[ON, PICK, DOWN, FRAMES],
            },
            Kind {
                name: "radio-unplugged",
                about: "the radio is pulled out",
                keys: &[ON, PICK, DOWN],
            },
            Kind {
                name: "airtime-ledger-lost",
                about: "the node is started again, and its record of used airtime is gone",
                keys: &[ON, PICK],
            },
            Kind {
                name: "bit-rot",
                about: "chunk files rot on the disk",
                keys: &[
                    ON,
                    PICK,
                    key(
                        "chunks",
                        Takes::Integer(1, 1_000_000),
                        "1",
                        "How many of each node's.",
                    ),
                ],
            },
            Kind {
                name: "image-restored",
                about: "the node is started on an old copy of its disk",
                keys: &[
                    ON,
                    PICK,
                    key("age", SPAN, REQUIRED, "How long before the copy was made."),
                ],
            },
            Kind {
                name: "cloned",
                about: "a second device with the same key and disk is started beside the node",
                keys: &[
                    ON,
                    PICK,
                    key("for", SPAN, "until the end", "When the clone is taken away."),
                ],
            },
        ],
    }),
};

const PER_HOUR: Key = key(
    "per_hour",
    Takes::Number(0.001, PER_HOUR_MAX),
    REQUIRED,
    "So many an hour, to each neighbour.",
);

static BYZANTINE: Section = Section {
    title: "[[byzantine]]",
    about: "Nodes that do not keep to the protocol, beside running it like all others.",
    keys: &[
        key("nodes", Takes::Nodes, REQUIRED, "Who."),
        key("from", TIME, "\"0s\"", "From when."),
        key("until", TIME, "the duration", "Until when."),
    ],
    kinds: Some(Kinds {
        key: "kind",
        default: None,
        all: &[
            Kind {
                name: "bad-signatures",
                about: "sends changes with signatures that are not right",
                keys: &[PER_HOUR],
            },
            Kind {
                name: "replay",
                about: "sends frames again that it once received",
                keys: &[PER_HOUR],
            },
            Kind {
                name: "lying-clock",
                about: "dates its changes and announcements wrongly",
                keys: &[key(
                    "ahead",
                    Takes::SignedDuration(100 * 365 * DAY_US),
                    REQUIRED,
                    "How far ahead, or behind with a minus.",
                )],
            },
            Kind {
                name: "flood",
                about: "announces itself far too often",
                keys: &[PER_HOUR],
            },
            Kind {
                name: "silence",
                about: "receives, and keeps silent",
                keys: &[
                    key("share", SHARE, "1", "Share of its frames that it does not send."),
                    key("towards", Takes::Nodes, "\"*\"", "Towards whom."),
                ],
            },
        ],
    }),
};

const BODY: Key = key(
    "body",
    Takes::OneOf(&["random", "json", "text"]),
    "random",
    "What it looks like, and so how well it compresses: noise, JSON or words.",
);

static WORKLOAD: Section = Section {
    title: "[[workload]]",
    about: "What users write, from a time to a time.",
    keys: &[
        key(
            "name",
            Takes::Name,
            "the kind",
            "Keys what is drawn, and stands in the paths of the documents.",
        ),
        key("writers", Takes::Nodes, "\"*\"", "Where it is written."),
        key("from", TIME, "\"0s\"", "From when."),
        key("until", TIME, "the duration", "Until when."),
    ],
    kinds: Some(Kinds {
        key: "kind",
        default: None,
        all: &[
            Kind {
                name: "documents",
                about: "documents of all sizes",
                keys: &[
                    key(
                        "per_hour_each",
                        Takes::Number(0.0001, PER_HOUR_MAX),
                        "see `count`",
                        "Each writer, so many operations an hour.",
                    ),
                    key(
                        "per_hour",
                        Takes::Number(0.0001, PER_HOUR_MAX),
                        "see `count`",
                        "All writers together, so many operations an hour.",
                    ),
                    key(
                        "count",
                        Takes::Integer(1, 100_000_000),
                        "one of the three must be given",
                        "All writers together, exactly so many operations.",
                    ),
                    key("sizes", Takes::Table(&SIZES), "200 B each", "How long."),
                    BODY,
                    key(
                        "changes",
                        SHARE,
                        "0",
                        "Share of the operations that change a document of the same writer.",
                    ),
                    key("deletes", SHARE, "0", "Share of the operations that delete one."),
                    key(
                        "conflicts",
                        SHARE,
                        "0",
                        "Share of the operations that another node of the space does to the same document at the same time.",
                    ),
                    key(
                        "categories",
                        Takes::SomeOf(&["private", "public", "shared"]),
                        "[\"private\"]",
                        "Where: each in turn.",
                    ),
                ],
            },
            Kind {
                name: "files",
                about: "real files from a folder; the first writer writes the first, and so on in turn",
                keys: &[
                    key("folder", Takes::Path, REQUIRED, "Which."),
                    key("every", TIME, "\"0s\": all at once", "Between two of them."),
                    key(
                        "category",
                        Takes::OneOf(&["private", "public", "shared"]),
                        "private",
                        "Where.",
                    ),
                ],
            },
            Kind {
                name: "readings",
                about: "each writer has one document, and writes its reading there",
                keys: &[
                    key(
                        "every",
                        SPAN,
                        REQUIRED,
                        "Between two. Each writer begins at a time of its own within the first.",
                    ),
                    key(
                        "jitter",
                        Takes::Number(0.0, 0.9),
                        "0.1",
                        "Each time between is longer or shorter by up to this share.",
                    ),
                    key("size", Takes::Size(1, 1 << 20), "\"40 B\"", "Of a reading."),
                    BODY,
                    key(
                        "append",
                        Takes::Flag,
                        "false",
                        "The document grows. Otherwise a reading replaces the last one.",
                    ),
                    key(
                        "category",
                        Takes::OneOf(&["private", "public", "shared"]),
                        "private",
                        "Where.",
                    ),
                ],
            },
            Kind {
                name: "trace",
                about: "as recorded",
                keys: &[key(
                    "file",
                    Takes::Path,
                    REQUIRED,
                    "A CSV file with lines `time,node,put|append|delete,path,size`; the time in seconds from `from`, the size in bytes.",
                )],
            },
        ],
    }),
};

static SIZES: Section = Section {
    title: "sizes = { … }",
    about: "Lengths of documents.",
    keys: &[],
    kinds: Some(Kinds {
        key: "kind",
        default: None,
        all: &[
            Kind {
                name: "fixed",
                about: "all the same",
                keys: &[key("size", LENGTH, REQUIRED, "Of each.")],
            },
            Kind {
                name: "uniform",
                about: "each length equally often",
                keys: &[
                    key("min", LENGTH, REQUIRED, "Shortest."),
                    key("max", LENGTH, REQUIRED, "Longest."),
                ],
            },
            Kind {
                name: "log-normal",
                about: "many around a median and a few far longer, as people's documents are",
                keys: &[
                    key(
                        "median",
                        Takes::Size(1, BODY_LEN_MAX),
                        REQUIRED,
                        "Half are shorter.",
                    ),
                    key(
                        "sigma",
                        Takes::Number(0.0, 5.0),
                        "1",
                        "Standard deviation of the natural logarithm.",
                    ),
                    key("max", LENGTH, "\"1 MiB\"", "Longer ones are cut."),
                ],
            },
            Kind {
                name: "pareto",
                about: "most are short, and a few hold most of the bytes",
                keys: &[
                    key("min", Takes::Size(1, BODY_LEN_MAX), REQUIRED, "Shortest."),
                    key(
                        "alpha",
                        Takes::Number(0.1, 10.0),
                        "1.2",
                        "The smaller, the heavier the tail.",
                    ),
                    key("max", LENGTH, "\"1 MiB\"", "Longer ones are cut."),
                ],
            },
        ],
    }),
};

static EXPECT: Section = plain(
    "[expect]",
    "Bounds: a run that breaks one exits with 1.",
    &[
        key(
            "converged_within",
            TIME,
            "not asked",
            "All is everywhere so soon after the duration.",
        ),
        key(
            "airtime_share_max",
            SHARE,
            "not asked",
            "No radio is on air for a larger share of any window of the law.",
        ),
        key(
            "delivery_share_min",
            SHARE,
            "not asked",
            "So large a share of all pairs of a write and a node is there in the end.",
        ),
        key(
            "delay_p95",
            Takes::Duration(1, LONGEST_US),
            "not asked",
            "95 % of the arrivals come so soon after the write.",
        ),
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_has_a_key_twice() {
        SCENARIO.walk(&mut |section| {
            let kinds = section.kinds.iter().flat_map(|kinds| kinds.all.iter().map(Some));
            for kind in kinds.chain([None]) {
                let mut names: Vec<&str> = section.keys_of(kind).map(|key| key.name).collect();
                names.extend(section.kinds.iter().map(|kinds| kinds.key));
                names.sort_unstable();
                let count = names.len();
                names.dedup();
                assert_eq!(names.len(), count, "{}", section.title);
            }
        });
    }

    #[test]
    fn a_default_kind_is_one_of_the_kinds() {
        SCENARIO.walk(&mut |section| {
            if let Some(Kinds {
                default: Some(default),
                all,
                ..
            }) = &section.kinds
            {
                assert!(all.iter().any(|kind| kind.name == *default));
            }
        });
    }
}
