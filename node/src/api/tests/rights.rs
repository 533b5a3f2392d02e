//! The table of `docs/security.md` that says which token may do what: asked of the door itself, and compared with the document.

use std::fmt::Write as _;
use std::path::Path;

use super::house::House;
use crate::model::WallTime;

/// Set to write the table into the document, after a change of the rules.
const WRITE_TABLES: &str = "CAIRN_WRITE_TABLES";
const BEGIN: &str =
    "<!-- Made by the test api::tests::rights: to write it anew, run that with CAIRN_WRITE_TABLES=1. -->\n";
const END: &str = "<!-- End of what is made. -->\n";

/// Who asks: what heads the column, the text of the token, and its scopes.
const TOKENS: [(&str, &str, &[&str]); 7] = [
    ("no token", "", &[]),
    ("one that ended", "ended", &["*:rw"]),
    ("`photos:rw`", "photos", &["photos:rw"]),
    ("`notes:r`", "reader", &["notes:r"]),
    ("`notes:rw`", "notes", &["notes:rw"]),
    ("`*:r`", "look", &["*:r"]),
    ("`*:rw`", "all", &["*:rw"]),
];

/// What is asked: what heads the row, the requests, and where they go.
const DEEDS: [(&str, &[&str], &str); 12] = [
    ("`private/`: read a document", &["GET", "HEAD"], "/notes/a"),
    ("`private/`: list a folder", &["GET", "HEAD"], "/notes/"),
    ("`private/`: write, delete", &["PUT", "DELETE"], "/notes/a"),
    ("`shared/`: read a document", &["GET", "HEAD"], "/shared/notes/a"),
    ("`shared/`: list a folder", &["GET", "HEAD"], "/shared/notes/"),
    ("`shared/`: write, delete", &["PUT", "DELETE"], "/shared/notes/a"),
    ("`public/`: read a document", &["GET", "HEAD"], "/public/notes/a"),
    ("`public/`: list a folder", &["GET", "HEAD"], "/public/notes/"),
    ("`public/`: write, delete", &["PUT", "DELETE"], "/public/notes/a"),
    ("list all modules of `private/`", &["GET", "HEAD"], "/"),
    ("list all modules of `public/`", &["GET", "HEAD"], "/public/"),
    ("list all modules of `shared/`", &["GET", "HEAD"], "/shared/"),
];

/// What the door answers to each token: `yes`, or the status with which it refuses.
async fn decided(house: &House, methods: &[&str], below: &str, token: &str) -> String {
    let header = format!("Bearer {token}");
    let headers: &[(&str, &str)] = match token {
        "" => &[],
        _ => &[("Authorization", header.as_str())],
    };
    let mut decisions = Vec::new();
    for method in methods {
        if !below.ends_with('/') {
            house.put(below, b"x").await;
        }
        let body = (*method == "PUT").then_some(&b"y"[..]);
        let answer = house.send(method, below, headers, body).await;
        decisions.push(match answer.status {
            200 | 201 => "yes".to_owned(),
            refused @ (401 | 403) => refused.to_string(),
            other => panic!("{method} {below} by {token}: {other}"),
        });
    }
    decisions.dedup();
    assert_eq!(
        decisions.len(),
        1,
        "{methods:?} of {below} by {token}: one row for two rules"
    );
    decisions.remove(0)
}

async fn render() -> String {
    let house = House::open().await;
    for (_, text, scopes) in TOKENS {
        let expires = (text == "ended").then_some(WallTime(2));
        if !text.is_empty() {
            house.admit(text, scopes, expires);
        }
    }
    let heads: Vec<&str> = TOKENS.iter().map(|(head, ..)| *head).collect();
    let mut table = format!("| in the module `notes` | {} |\n", heads.join(" | "));
    let _ = writeln!(table, "| ---{} |", " | ---".repeat(TOKENS.len()));
    for (head, methods, below) in DEEDS {
        let mut row = format!("| {head} |");
        for (_, token, _) in TOKENS {
            let _ = write!(row, " {} |", decided(&house, methods, below, token).await);
        }
        let _ = writeln!(table, "{row}");
    }
    table
}

/// Whoever changes the rules changes what the owner was promised: the document has to say so in the same change.
#[tokio::test]
async fn the_table_of_rights_is_what_the_door_decides() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the table");
    let (written, after) = rest.split_once(END).expect("the mark behind the table");
    let table = render().await;
    if std::env::var_os(WRITE_TABLES).is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(
        written == table,
        "docs/security.md says\n{written}and the door decides\n{table}run this test with {WRITE_TABLES}=1, and look at what changes"
    );
}
