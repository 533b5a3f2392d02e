//! `modem probe` and `modem test`, and what `run` asks about a radio.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use cairn_transports::lora::modem::ModemIdentity;
use cairn_transports::lora::{ModeLines, Region, probe_port, serial_ports};
use serde_json::json;

use super::arguments::{ModemWords, RadioArguments};
use super::commands::Failure;
use super::output::table;
use super::secret_input::PassphraseSource;
use crate::daemon::{Home, LoraSettings, ModemTestEvent, Signal, test_modem};

/// How often a region is asked for.
const QUESTIONS_MAX: usize = 3;

type Outcome = Result<(), Failure>;

/// What the options say, and for the rest the file.
pub(super) fn settings(port: String, radio: RadioArguments, file: Option<LoraSettings>) -> LoraSettings {
    let told = LoraSettings {
        port,
        modem: radio.modem,
        mode_lines: radio.mode_lines,
        region: radio.region,
        frequency_hz: radio.frequency,
        spreading_factor: radio.sf,
        bandwidth_hz: radio.bandwidth,
        coding_rate: radio.coding_rate,
        tx_power_dbm: radio.tx_power,
        air_rate_bps: radio.air_rate,
        airtime_used: radio.airtime_used,
    };
    let Some(file) = file else { return told };
    LoraSettings {
        modem: told.modem.or(file.modem),
        mode_lines: told.mode_lines.or(file.mode_lines),
        region: told.region.or(file.region),
        frequency_hz: told.frequency_hz.or(file.frequency_hz),
        spreading_factor: told.spreading_factor.or(file.spreading_factor),
        bandwidth_hz: told.bandwidth_hz.or(file.bandwidth_hz),
        coding_rate: told.coding_rate.or(file.coding_rate),
        tx_power_dbm: told.tx_power_dbm.or(file.tx_power_dbm),
        air_rate_bps: told.air_rate_bps.or(file.air_rate_bps),
        airtime_used: told.airtime_used,
        port: told.port,
    }
}

/// Asks for the region, if nobody ever told it and somebody is there to ask.
pub(super) fn with_region(home: &Path, mut settings: LoraSettings) -> Result<LoraSettings, Failure> {
    let known = settings.region.is_some() || LoraSettings::remembered_region(home).is_some();
    if known || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(settings);
    }
    settings.region = Some(ask_region(&mut io::stdin().lock(), &mut io::stderr())?);
    Ok(settings)
}

fn ask_region(answers: &mut impl BufRead, out: &mut impl Write) -> Result<Region, Failure> {
    let names: Vec<&str> = Region::ALL.iter().map(|region| region.name()).collect();
    writeln!(
        out,
        "Where is this radio used? The law on how much may be sent depends on it. One of {}:",
        names.join(", ")
    )?;
    for _ in 0..QUESTIONS_MAX {
        write!(out, "region: ")?;
        out.flush()?;
        let mut answer = String::new();
        if answers.read_line(&mut answer)? == 0 {
            break;
        }
        match answer.trim().parse() {
            Ok(region) => return Ok(region),
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    Err(Failure::usage(
        "no region was told: nothing is sent. Give one with --region",
    ))
}

/// Carries out a word about modems.
pub(super) fn run(home: &Path, words: ModemWords, passphrase: &PassphraseSource) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    match words {
        ModemWords::Probe {
            port,
            mode_lines,
            json,
        } => runtime.block_on(probe(port, mode_lines, json)),
        ModemWords::Test {
            port,
            radio,
            count,
            json,
        } => {
            // Opening a folder makes it.
            if !home.join("space.cbor").exists() {
                return Err(Failure::no_node(home));
            }
            let lora = with_region(home, settings(port, radio, None))?;
            let folder = Home::open_with(home, passphrase.existing(home)?)?;
            runtime.block_on(test(folder, lora, count, json))
        }
    }
}

async fn probe(ports: Vec<String>, lines: Option<ModeLines>, json: bool) -> Outcome {
    let named = !ports.is_empty();
    let ports = if named {
        ports
    } else {
        serial_ports().map_err(|error| Failure::of(format!("cannot list the serial ports: {error}")))?
    };
    if ports.is_empty() {
        return Err(Failure::of("this machine has no serial port: plug a modem in"));
    }
    let mut found: Vec<(String, io::Result<Option<ModemIdentity>>)> = Vec::new();
    for port in ports {
        if !json {
            eprintln!("asking {port} …");
        }
        let lines = lines.clone().or_else(|| ModeLines::of_hat(&port));
        let answer = probe_port(&port, lines.as_ref()).await;
        found.push((port, answer));
    }
    if json {
        let rows: Vec<_> = found
            .iter()
            .map(|(port, answer)| match answer {
                Ok(Some(modem)) => {
                    json!({ "port": port, "modem": modem.kind.name(), "description": modem.description })
                }
                Ok(None) => json!({ "port": port, "modem": null }),
                Err(error) => json!({ "port": port, "modem": null, "problem": error.to_string() }),
            })
            .collect();
        writeln!(io::stdout(), "{}", json!(rows))?;
    } else {
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|(port, answer)| {
                let (kind, what) = match answer {
                    Ok(Some(modem)) => (modem.kind.name(), modem.description.clone()),
                    Ok(None) => ("-", "no modem answers".to_owned()),
                    Err(error) => ("-", error.to_string()),
                };
                vec![port.clone(), kind.to_owned(), what]
            })
            .collect();
        table(&rows)?;
    }
    if found.iter().any(|(_, answer)| matches!(answer, Ok(Some(_)))) {
        return Ok(());
    }
    Err(Failure::of(
        "no modem was found: check the wiring, the power, and that no other program uses the port",
    ))
}

async fn test(folder: Home, settings: LoraSettings, count: u8, json: bool) -> Outcome {
    let answers = test_modem(folder, &settings, count, |event| {
        let line = if json {
            as_json(&event).to_string()
        } else {
            sentence(&event)
        };
        // Whoever closed the pipe wants to hear no more.
        let _ = writeln!(io::stdout(), "{line}");
    })
    .await
    .map_err(Failure::of)?;
    if answers > 0 {
        return Ok(());
    }
    Err(Failure::of(
        "nobody answered: is another node of this space on air, with the same kind of modem, frequency and rate?",
    ))
}

fn signal(signal: &Signal) -> String {
    match (signal.rssi_dbm, signal.snr_db) {
        (Some(rssi), Some(snr)) => format!("{rssi} dBm, SNR {snr} dB"),
        (Some(rssi), None) => format!("{rssi} dBm"),
        (None, Some(snr)) => format!("SNR {snr} dB"),
        (None, None) => "a strength that its modem does not tell".into(),
    }
}

fn sentence(event: &ModemTestEvent) -> String {
    match event {
        ModemTestEvent::Online(modem) => format!("on air: {}", modem.description),
        ModemTestEvent::Offline(reason) => format!("not on air: {reason}"),
        ModemTestEvent::Called(number) => format!("call {number}"),
        ModemTestEvent::Answered {
            node,
            name,
            number,
            here,
            there,
            after,
        } => format!(
            "call {number}: {} hears us at {}; we hear it at {}; after {:.1} s",
            name.clone().unwrap_or_else(|| node.to_string()[..16].to_owned()),
            signal(there),
            signal(here),
            after.as_secs_f64()
        ),
        ModemTestEvent::Foreign(count) => format!("{count} frames that are not of this space"),
    }
}

fn as_json(event: &ModemTestEvent) -> serde_json::Value {
    let milliseconds = |after: &Duration| after.as_secs_f64() * 1000.0;
    match event {
        ModemTestEvent::Online(modem) => {
            json!({ "event": "online", "modem": modem.kind.name(), "description": modem.description })
        }
        ModemTestEvent::Offline(reason) => json!({ "event": "offline", "reason": reason }),
        ModemTestEvent::Called(number) => json!({ "event": "call", "number": number }),
        ModemTestEvent::Answered {
            node,
            name,
            number,
            here,
            there,
            after,
        } => json!({
            "event": "answer",
            "number": number,
            "node": node.to_string(),
            "name": name,
            "rssi_dbm": here.rssi_dbm,
            "snr_db": here.snr_db,
            "there_rssi_dbm": there.rssi_dbm,
            "there_snr_db": there.snr_db,
            "after_ms": milliseconds(after),
        }),
        ModemTestEvent::Foreign(count) => json!({ "event": "foreign", "frames": count }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_asked_for_until_it_makes_sense() {
        let mut said = Vec::new();
        let region = ask_region(&mut &b"Mars\neu868\n"[..], &mut said).unwrap();
        assert_eq!(region, Region::Eu868);
        assert!(String::from_utf8(said).unwrap().contains("EU868, "));
        assert!(ask_region(&mut &b""[..], &mut Vec::new()).is_err());
        assert!(ask_region(&mut &b"a\nb\nc\nEU868\n"[..], &mut Vec::new()).is_err());
    }

    #[test]
    fn options_go_before_the_file() {
        let radio = |sf| RadioArguments {
            sf,
            ..RadioArguments::default()
        };
        let file = settings("/dev/a".into(), radio(Some(9)), None);
        let both = settings("/dev/b".into(), radio(None), Some(file.clone()));
        assert_eq!((both.port.as_str(), both.spreading_factor), ("/dev/b", Some(9)));
        let over = settings("/dev/b".into(), radio(Some(7)), Some(file));
        assert_eq!(over.spreading_factor, Some(7));
    }
}
