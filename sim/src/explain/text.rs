//! An explanation in words.

use std::fmt::{self, Display, Formatter};

use super::wait::{Cause, Frames};
use super::{Explanation, Hop};
use crate::report::quantity::{bytes, clock, count, duration, plural, share};

/// Causes that took less than this share of a hop are not worth a line.
const SHARE_MIN: f64 = 0.01;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            dot,
            writer,
            node,
            written_us,
            ..
        } = self;
        let what = match self.len {
            Some(len) => format!("{} (write {dot}, {})", path, bytes(len)),
            None => format!("{path} (a DELETE, {dot})"),
        };
        match self.arrived_us {
            Some(at_us) => {
                let took = duration(at_us.saturating_sub(*written_us));
                let hops = plural(self.hops.len() as u64, "hop");
                writeln!(f, "{what} took {took} from {writer} to {node}, over {hops}.")?;
            }
            None => {
                let reached = self.hops.len().saturating_sub(1);
                let far = self.hops.last().map_or(writer, |hop| &hop.from);
                writeln!(
                    f,
                    "{what} never got from {writer} to {node}. It came as far as {far}, over {}.",
                    plural(reached as u64, "hop")
                )?;
            }
        }
        match self.acknowledged_us {
            None => writeln!(
                f,
                "{writer} never acknowledged it: nobody was promised that it stays."
            )?,
            Some(at_us) => {
                let took = duration(at_us.saturating_sub(*written_us));
                writeln!(
                    f,
                    "Written at {}, on the disk of {writer} {took} later.",
                    clock(*written_us)
                )?;
            }
        }
        if self.replaced {
            writeln!(
                f,
                "A later write replaced it before it was everywhere; what arrived may be that one."
            )?;
        }
        for (index, hop) in self.hops.iter().enumerate() {
            writeln!(f)?;
            write!(f, "{}. {hop}", index + 1)?;
        }
        if self.hops.iter().any(|hop| hop.guessed) {
            writeln!(
                f,
                "\n~ The recording does not say from whom it came; this is the likeliest: who had it and was heard last."
            )?;
        }
        if self.left_out > 0 {
            writeln!(
                f,
                "\nThe recording left {} out: frames may be missing above.",
                plural(self.left_out, "happening")
            )?;
        }
        if let Some(other) = self.others.first() {
            writeln!(
                f,
                "\nThe path has {}; this is the one that took longest. Name another by its dot, such as {other}",
                plural(self.others.len() as u64, "other write")
            )?;
        }
        Ok(())
    }
}

impl Display for Hop {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            to,
            since_us,
            until_us,
            guessed,
            waits,
            ..
        } = self;
        let mark = if *guessed { " ~" } else { "" };
        let all_us: u64 = waits.iter().map(|wait| wait.us).sum();
        let until = until_us.map_or("never".to_owned(), clock);
        writeln!(
            f,
            "{from} -> {to}{mark}   {} to {until}   {}",
            clock(*since_us),
            duration(all_us)
        )?;
        for wait in waits {
            let part = wait.us as f64 / all_us.max(1) as f64;
            if part < SHARE_MIN {
                continue;
            }
            let longest_us = wait.longest_until_us - wait.longest_from_us;
            let mut why = cause(wait.cause, from, to);
            // One stretch that is the whole of the cause needs no second length.
            if longest_us < wait.us {
                why = format!("{why}; longest {}", duration(longest_us));
            }
            let stretch = format!(
                "{} to {}",
                clock(wait.longest_from_us),
                clock(wait.longest_until_us)
            );
            writeln!(
                f,
                "   {:>14}  {:>6}  {why} ({stretch})",
                duration(wait.us),
                share(part)
            )?;
        }
        for (sender, receiver, frames) in [(from, to, &self.there), (to, from, &self.back)] {
            if let Some(frames) = fates(frames) {
                writeln!(f, "   frames of {sender} at {receiver}: {frames}")?;
            }
        }
        if let Some((at_first, at_last)) = self.distance_m {
            if (at_first - at_last).abs() >= 1.0 {
                writeln!(
                    f,
                    "   {} apart at first, {} at last",
                    metres(at_first),
                    metres(at_last)
                )?;
            } else {
                writeln!(f, "   {} apart", metres(at_first))?;
            }
        }
        Ok(())
    }
}

fn cause(cause: Cause, from: &str, to: &str) -> String {
    match cause {
        Cause::SenderDown => format!("{from} was down"),
        Cause::ReceiverDown => format!("{to} was down"),
        Cause::OutOfReach => "out of reach of each other".to_owned(),
        Cause::NoLink => "there was no link between them".to_owned(),
        Cause::AirtimeUsedUp => "frames waited for the law: airtime was used up".to_owned(),
        Cause::Queued => "frames waited for the channel, or behind others".to_owned(),
        Cause::Collided => "after a frame was lost in a collision".to_owned(),
        Cause::Sending => "after a frame came while the other was sending".to_owned(),
        Cause::Chance => "after a frame was lost by chance".to_owned(),
        Cause::OnAir => "frames were on the air".to_owned(),
        Cause::InTouch => "in touch, with other traffic or pauses of the protocol".to_owned(),
        Cause::Silent => "neither sent anything".to_owned(),
    }
}

fn fates(frames: &Frames) -> Option<String> {
    let fates = [
        (frames.heard, "heard"),
        (frames.collided, "lost in collisions"),
        (frames.sending, "missed while sending"),
        (frames.chance, "lost by chance"),
        (frames.out_of_reach, "out of reach or while it was down"),
    ];
    let fates: Vec<String> = fates
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, fate)| format!("{} {fate}", count(*number)))
        .collect();
    (!fates.is_empty()).then(|| fates.join(", "))
}

fn metres(metres: f64) -> String {
    if metres >= 1_000.0 {
        format!("{:.1} km", metres / 1_000.0)
    } else {
        format!("{metres:.0} m")
    }
}
