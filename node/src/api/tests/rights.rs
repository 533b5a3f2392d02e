//! The table of `docs/security.md` that says who may do what: made of the code that decides, compared with the document, and, for all who come to
//! the HTTP door, with what the door really answers.

use std::fmt::Write as _;
use std::path::Path;

use super::house::House;
use crate::model::access::{Area, Asker, Deed, may};
use crate::model::{Capabilities, Category, Scope, WallTime};

/// Set to write the table into the document, after a change of the rules.
const WRITE_TABLES: &str = "CAIRN_WRITE_TABLES";
const BEGIN: &str =
    "<!-- Made by the test api::tests::rights: to write it anew, run that with CAIRN_WRITE_TABLES=1. -->\n";
const END: &str = "<!-- End of what is made. -->\n";

const MODULE: &str = "notes";
const TOKENS: [&str; 5] = ["photos:rw", "notes:r", "notes:rw", "*:r", "*:rw"];
const GUEST: Capabilities = Capabilities::READ.union(Capabilities::HOLD);

/// Keys of the mesh: what heads the column, what they may, and whether in a shared folder alone.
const KEYS: [(&str, Capabilities, bool); 4] = [
    ("custodian", Capabilities::HOLD, false),
    ("guest to read", GUEST, true),
    ("guest to write", GUEST.union(Capabilities::WRITE), true),
    ("own device", Capabilities::ALL, false),
];

/// One row.
struct Row {
    head: String,
    deed: Deed,
    area: Area<'static>,
    category: Option<Category>,
    /// How the HTTP door is asked for it: by these methods, and where.
    asked: Option<(&'static [&'static str], String)>,
}

fn rows() -> Vec<Row> {
    const READS: &[&str] = &["GET", "HEAD"];
    const WRITES: &[&str] = &["PUT", "DELETE"];
    let mut rows = Vec::new();
    for category in [Category::Private, Category::Shared, Category::Public] {
        let name = category.name();
        let below = match category {
            Category::Private => String::new(),
            _ => format!("/{name}"),
        };
        let notes = Some(MODULE);
        for (what, deed, module, asked) in [
            ("read a document", Deed::Read, notes, Some((READS, "/notes/a"))),
            ("list a folder", Deed::List, notes, Some((READS, "/notes/"))),
            ("write, delete", Deed::Write, notes, Some((WRITES, "/notes/a"))),
            ("list all modules", Deed::List, None, Some((READS, "/"))),
            ("keep what travels", Deed::Keep, notes, None),
        ] {
            rows.push(Row {
                head: format!("`{name}/`: {what}"),
                deed,
                area: Area::of(category, module),
                category: Some(category),
                asked: asked.map(|(methods, at)| (methods, format!("{below}{at}"))),
            });
        }
    }
    for (what, deed, asked) in [
        ("read", Deed::Read, Some((READS, "/.cairn/a".to_owned()))),
        ("list", Deed::List, Some((READS, "/.cairn/".to_owned()))),
        ("write", Deed::Write, Some((WRITES, "/.cairn/a".to_owned()))),
    ] {
        rows.push(Row {
            head: format!("`private/.cairn/`, the node's own: {what}"),
            deed,
            area: Area::of(Category::Private, Some(".cairn")),
            category: Some(Category::Private),
            asked,
        });
    }
    for (head, deed) in [
        ("let others in", Deed::Admit),
        ("shut others out", Deed::ShutOut),
        ("change tokens, devices, cards, shares, custody", Deed::Manage),
    ] {
        rows.push(Row {
            head: head.to_owned(),
            deed,
            area: Area::WHOLE,
            category: None,
            asked: None,
        });
    }
    rows
}

/// Asks the door, and compares.
async fn ask(house: &House, row: &Row, token: &str, decided: bool) {
    let Some((methods, below)) = &row.asked else {
        return;
    };
    let header = format!("Bearer {token}");
    let headers: &[(&str, &str)] = match token {
        "" => &[],
        _ => &[("Authorization", header.as_str())],
    };
    for method in *methods {
        if row.area != Area::of(Category::Private, Some(".cairn")) && !below.ends_with('/') {
            house.put(below, b"x").await;
        }
        let body = (*method == "PUT").then_some(&b"y"[..]);
        let status = house.send(method, below, headers, body).await.status;
        let fits = match decided {
            true => matches!(status, 200 | 201),
            false if matches!(token, "" | "ended") => status == 401,
            false => status == 403,
        };
        assert!(
            fits,
            "{method} {below} by \"{token}\": {status}, and it is decided: {decided}"
        );
    }
}

async fn render() -> String {
    let house = House::open().await;
    house.admit("ended", &["*:rw"], Some(WallTime(2)));
    for scope in TOKENS {
        house.admit(scope, &[scope], None);
    }
    let mut heads = vec!["nobody known".to_owned()];
    heads.extend(TOKENS.map(|scope| format!("`{scope}`")));
    heads.extend(["a ticket", "the user"].map(str::to_owned));
    heads.extend(KEYS.map(|(head, ..)| head.to_owned()));
    let mut table = format!("| in the module `{MODULE}` | {} |\n", heads.join(" | "));
    let _ = writeln!(table, "| ---{} |", " | ---".repeat(heads.len()));
    for row in rows() {
        let mut cells = Vec::new();
        let nobody = may(Asker::Anyone, row.deed, row.area);
        ask(&house, &row, "", nobody).await;
        ask(&house, &row, "ended", nobody).await;
        cells.push(nobody);
        for text in TOKENS {
            let scope: Scope = text.parse().unwrap();
            let decided = may(Asker::Program(&[scope]), row.deed, row.area);
            ask(&house, &row, text, decided).await;
            cells.push(decided);
        }
        cells.push(may(Asker::Ticket, row.deed, row.area));
        cells.push(may(Asker::User, row.deed, row.area));
        for (_, own, in_share) in KEYS {
            // A shared folder is a space of its own: elsewhere a guest has no grant.
            let asker = match in_share && row.category.is_some_and(|category| category != Category::Shared) {
                true => Asker::Anyone,
                false => Asker::Key(own),
            };
            cells.push(may(asker, row.deed, row.area));
        }
        let _ = write!(table, "| {} |", row.head);
        for cell in cells {
            let _ = write!(table, " {} |", if cell { "yes" } else { "" });
        }
        table.push('\n');
    }
    table
}

/// Whoever changes the rules changes what the owner was promised: the document has to say so in the same change.
#[tokio::test]
async fn the_table_of_rights_is_what_is_decided_and_what_the_door_does() {
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
        "docs/security.md says\n{written}and it is decided\n{table}run this test with {WRITE_TABLES}=1, and look at what changes"
    );
}
