//! Virtual modems on ptys.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use cairn_sim::modem::{Answer, Command, Fleet, FleetConfig, FleetError, Quirk};
use cairn_transports::lora::modem::ModemKind;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
pub(crate) struct Modems {
    /// Which kind.
    #[arg(long, value_parser = PossibleValuesParser::new(ModemKind::ALL.map(ModemKind::name)).try_map(|name| name.parse::<ModemKind>()))]
    kind: ModemKind,
    /// How many.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    count: u16,
    /// Share of the frames that get lost, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    loss: f64,
    /// Each hears only the one before it and the one after it.
    #[arg(long)]
    chain: bool,
    /// Decides all that is random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Make links with lasting names in this folder: rnode0, rnode1 and so on. A modem that is unplugged and plugged in again has
    /// another pty, but the same link.
    #[arg(long, value_name = "FOLDER")]
    link: Option<PathBuf>,
    /// Let the modems' time go so many times faster than real: airtimes, waits and the speed of their lines.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    time_scale: u32,
    /// How an E22 knows its mode.
    #[arg(long, value_enum, default_value_t = E22Mode::Auto)]
    e22_mode: E22Mode,
    /// Make the modems differ from the usual one of their kind. May be given more than once.
    #[arg(long = "quirk", value_name = "NAME", value_parser = quirk_parser())]
    quirks: Vec<Quirk>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum E22Mode {
    /// A whole C0, C1 or C2 command at 9600 baud after 20 ms of silence is taken as in configuration mode.
    Auto,
    /// From M0 and M1, which `lines N M0 M1` sets.
    Wired,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "give a number from 0 to 1".into())
}

fn quirk_parser() -> impl TypedValueParser<Value = Quirk> {
    let values = Quirk::ALL.map(|(_, name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Quirk>())
}

/// Keeps them up until somebody says `quit`.
pub(crate) fn run(modems: Modems) -> Result<(), Box<dyn std::error::Error>> {
    let mut quirks: BTreeSet<Quirk> = modems.quirks.into_iter().collect();
    if modems.e22_mode == E22Mode::Wired {
        quirks.insert(Quirk::E22Wired);
    }
    if let Some(other) = quirks.iter().find(|quirk| !quirk.is_of(modems.kind)) {
        return Err(format!("{other} is no quirk of {}", modems.kind).into());
    }
    let fleet = Fleet::start(FleetConfig {
        modems: vec![(modems.kind, quirks); usize::from(modems.count)],
        seed: modems.seed,
        loss: modems.loss,
        is_chain: modems.chain,
        time_scale: modems.time_scale,
        links: modems.link,
    })?;
    let mut output = io::stdout();
    for path in fleet.paths() {
        writeln!(output, "{}", path.display())?;
    }
    writeln!(output, "ready")?;
    output.flush()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.trim() {
            "" => continue,
            "quit" => return Ok(()),
            line => writeln!(output, "{}", answer(&fleet, line)?)?,
        }
        output.flush()?;
    }
    // Nobody is there to say `quit`: until a signal comes.
    loop {
        std::thread::park();
    }
}

/// Does what a line says. An error in the line is an answer, too.
fn answer(fleet: &Fleet, line: &str) -> Result<String, Box<dyn std::error::Error>> {
    let command: Command = match line.parse() {
        Ok(command) => command,
        Err(error) => return Ok(format!("error: {error}")),
    };
    Ok(match fleet.command(command) {
        Ok(Answer::Done) => "ok".into(),
        Ok(Answer::Path(path)) => path.display().to_string(),
        Ok(Answer::Statistics(statistics)) => serde_json::to_string(&statistics)?,
        Ok(Answer::Airings(airings)) => serde_json::to_string(&airings)?,
        Err(error @ FleetError::Stopped) => return Err(error.into()),
        Err(error) => format!("error: {error}"),
    })
}
