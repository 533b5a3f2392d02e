//! A page that plays a run back: one file that needs nothing else, and asks nobody for anything.
//!
//! [`scene`] boils a recording down to what can be seen, within bounds; `page.html`, `page.css` and the scripts are
//! put around it. The scripts draw on a canvas, so that a thousand nodes are no more work than forty.
//!
//! | script | what it does |
//! | --- | --- |
//! | `scene.js` | unpacks the scene and answers questions about a time |
//! | `map.js` | draws the map at a time |
//! | `chart.js` | draws the chart under the slider |
//! | `page.js` | time, keys, clicks, lists |

mod scene;

use crate::recording::Recording;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 4] = [
    include_str!("scene.js"),
    include_str!("map.js"),
    include_str!("chart.js"),
    include_str!("page.js"),
];

/// The page, complete.
pub(super) fn page(recording: &Recording) -> String {
    let scene = in_script(&scene::scene(recording).to_string());
    let scripts = SCRIPTS.join("\n");
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + scripts.len() + scene.len());
    let mut rest = PAGE;
    // Each mark is looked for behind the one before it: what a recording holds is never searched.
    for (mark, content) in [
        ("{{style}}", STYLE),
        ("{{scene}}", &scene),
        ("{{scripts}}", &scripts),
    ] {
        if let Some((before, after)) = rest.split_once(mark) {
            page.push_str(before);
            page.push_str(content);
            rest = after;
        }
    }
    page.push_str(rest);
    page
}

/// JSON that may stand in a `<script>`: nothing in it can end the element or begin a comment.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::NodeRecord;

    #[test]
    fn a_name_cannot_end_the_script() {
        let name = "</script><!--<script>alert(1)</script> {{scripts}}";
        let node = NodeRecord {
            name: name.to_owned(),
            ..NodeRecord::default()
        };
        let page = page(&Recording {
            nodes: vec![node],
            ..Recording::default()
        });
        assert!(!page.contains("alert(1)</script>"), "the name is markup");
        assert_eq!(page.matches("<script").count(), 2);
        let json = page
            .split_once("type=\"application/json\">")
            .unwrap()
            .1
            .split_once("</script>")
            .unwrap()
            .0;
        let scene: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(scene["nodes"][0]["name"], name);
    }

    #[test]
    fn the_page_asks_nobody() {
        let page = page(&Recording::default());
        for word in ["http:", "https:", "src=", "@import", "url(", "fetch(", "import("] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
