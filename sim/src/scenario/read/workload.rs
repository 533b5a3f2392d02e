//! The tables `[[workload]]`.

use std::collections::BTreeSet;

use cairn::model::{Category, DocumentPath};

use super::Context;
use crate::scenario::quantity::Size;
use crate::scenario::reader::Reader;
use crate::scenario::workload::{Body, FileToWrite, Rate, Sizes, Workload, WorkloadKind};
use crate::workload;

/// Longest real file that is written, in bytes.
const FILE_LEN_MAX: u64 = 64 << 20;

pub(super) fn read(scenario: &Reader<'_, '_>, context: &Context<'_>) -> Vec<Workload> {
    let mut taken = BTreeSet::new();
    let mut workloads = Vec::new();
    for reader in scenario.tables("workload") {
        let name = match reader.has("name") {
            true => reader.name("name"),
            false => reader.kind().map(str::to_owned),
        };
        if let Some(name) = &name
            && !taken.insert(name.clone())
        {
            let what = format!("there is another workload `{name}`");
            reader.reject("name", what, "a name of its own for each");
        }
        workloads.extend(workload(&reader, name, context));
    }
    workloads
}

fn workload(reader: &Reader<'_, '_>, name: Option<String>, context: &Context<'_>) -> Option<Workload> {
    let mut writers = match reader.has("writers") {
        true => reader.nodes("writers", &context.names),
        false => Some((0..context.names.len()).collect()),
    };
    if let Some(writers) = &mut writers {
        writers.sort_unstable();
    }
    let (from_us, until_us) = context.window(reader);
    let kind = match reader.kind()? {
        "documents" => documents(reader),
        "files" => files(reader, name.as_deref().unwrap_or_default(), context),
        "readings" => readings(reader),
        _ => trace(reader, from_us, context),
    };
    Some(Workload {
        kind: kind?,
        name: name?,
        writers: writers?,
        from_us,
        until_us,
    })
}

fn category(reader: &Reader<'_, '_>) -> Category {
    reader
        .word("category")
        .and_then(Category::from_name)
        .unwrap_or(Category::Private)
}

fn body(reader: &Reader<'_, '_>) -> Body {
    match reader.word("body") {
        Some("json") => Body::Json,
        Some("text") => Body::Text,
        _ => Body::Random,
    }
}

fn documents(reader: &Reader<'_, '_>) -> Option<WorkloadKind> {
    let rate = rate(reader);
    let share = |key| reader.number(key).unwrap_or(0.0);
    let (changes, deletes) = (share("changes"), share("deletes"));
    if changes + deletes > 1.0 {
        let what = format!(
            "with `changes` this is {:.3} of the operations",
            changes + deletes
        );
        reader.reject("deletes", what, format!("up to {:.3}", 1.0 - changes));
    }
    let categories = reader.words("categories");
    Some(WorkloadKind::Documents {
        sizes: match reader.table("sizes") {
            Some(reader) => sizes(&reader).unwrap_or(SIZE_DEFAULT),
            None => SIZE_DEFAULT,
        },
        body: body(reader),
        changes,
        deletes,
        conflicts: share("conflicts"),
        categories: categories.map_or(vec![Category::Private], |names| {
            names.into_iter().filter_map(Category::from_name).collect()
        }),
        rate: rate?,
    })
}

const SIZE_DEFAULT: Sizes = Sizes::Fixed(200);

fn rate(reader: &Reader<'_, '_>) -> Option<Rate> {
    const RATES: [&str; 3] = ["per_hour_each", "per_hour", "count"];
    let given: Vec<&str> = RATES.into_iter().filter(|key| reader.has(key)).collect();
    match given[..] {
        ["per_hour_each"] => reader.number("per_hour_each").map(Rate::EachPerHour),
        ["per_hour"] => reader.number("per_hour").map(Rate::AllPerHour),
        ["count"] => reader.integer("count").map(Rate::Count),
        [first, second, ..] => {
            let what = format!("`{first}` says already how many there are");
            reader.reject(second, what, "one of per_hour_each, per_hour, count");
            None
        }
        _ => {
            reader.reject_table(
                "nothing says how many there are",
                "one of per_hour_each, per_hour, count",
            );
            None
        }
    }
}

fn sizes(reader: &Reader<'_, '_>) -> Option<Sizes> {
    let max = || reader.size("max");
    let (low_key, low, sizes) = match reader.kind()? {
        "fixed" => return reader.size("size").map(Sizes::Fixed),
        "uniform" => {
            let (min, max) = (reader.size("min"), max());
            let (min, max) = (min?, max?);
            ("min", min, Sizes::Uniform { min, max })
        }
        "log-normal" => {
            let median = reader.size("median");
            let sigma = reader.number("sigma").unwrap_or(1.0);
            let max = max().unwrap_or(1 << 20);
            let median = median?;
            ("median", median, Sizes::LogNormal { median, sigma, max })
        }
        _ => {
            let min = reader.size("min");
            let alpha = reader.number("alpha").unwrap_or(1.2);
            let max = max().unwrap_or(1 << 20);
            let min = min?;
            ("min", min, Sizes::Pareto { min, alpha, max })
        }
    };
    let (Sizes::Uniform { max, .. } | Sizes::LogNormal { max, .. } | Sizes::Pareto { max, .. }) = sizes
    else {
        return Some(sizes);
    };
    if low > max {
        let what = format!("it is above the longest, which is \"{}\"", Size(max));
        reader.reject(low_key, what, format!("up to \"{}\"", Size(max)));
        return None;
    }
    Some(sizes)
}

fn readings(reader: &Reader<'_, '_>) -> Option<WorkloadKind> {
    let interval_us = reader.duration("every");
    Some(WorkloadKind::Readings {
        jitter: reader.number("jitter").unwrap_or(0.1),
        len: reader.size("size").unwrap_or(40),
        body: body(reader),
        append: reader.flag("append").unwrap_or(false),
        category: category(reader),
        interval_us: interval_us?,
    })
}

fn files(reader: &Reader<'_, '_>, name: &str, context: &Context<'_>) -> Option<WorkloadKind> {
    let category = category(reader);
    let interval_us = reader.duration("every").unwrap_or(0);
    let folder = reader.text("folder")?;
    let reject = |what: String| {
        reader.reject("folder", what, "a folder with files, beside the scenario's file");
        None
    };
    let listed = match context.files.list(&folder) {
        Ok(listed) if listed.is_empty() => return reject("it has no files".into()),
        Ok(listed) => listed,
        Err(error) => return reject(format!("it cannot be read: {error}")),
    };
    let mut files = Vec::with_capacity(listed.len());
    for (relative, source, len) in listed {
        if len > FILE_LEN_MAX {
            return reject(format!("{relative} is longer than {}", Size(FILE_LEN_MAX)));
        }
        match DocumentPath::parse(&format!("/{}/{name}/{relative}", category.name())) {
            Ok(path) => files.push(FileToWrite { source, path, len }),
            Err(error) => return reject(format!("{relative} cannot be a document: {error}")),
        }
    }
    Some(WorkloadKind::Files { files, interval_us })
}

fn trace(reader: &Reader<'_, '_>, from_us: u64, context: &Context<'_>) -> Option<WorkloadKind> {
    let file = reader.text("file")?;
    let allowed = "a CSV file with lines `time,node,put|append|delete,path,size`";
    let text = match context.files.read(&file) {
        Ok(text) => text,
        Err(error) => {
            reader.reject("file", format!("it cannot be read: {error}"), allowed);
            return None;
        }
    };
    let one = |name: &str| context.names.resolve(name).ok().filter(|nodes| nodes.len() == 1);
    match workload::read_trace(&text, from_us, |name| one(name).map(|nodes| nodes.start)) {
        Ok(operations) => Some(WorkloadKind::Trace { operations }),
        Err(error) => {
            reader.reject("file", error.to_string(), allowed);
            None
        }
    }
}
