//! Times, bytes, counts and shares, as people read them.

/// A length of time: `350 ms`, `42 s`, `6 min 10 s`, `5 h 12 min`, `3 d 4 h`. Two units at most.
pub(crate) fn duration(us: u64) -> String {
    const S: u64 = 1_000_000;
    const MIN: u64 = 60 * S;
    const HOUR: u64 = 60 * MIN;
    const DAY: u64 = 24 * HOUR;
    let two = |big: u64, big_name, small: u64, small_name| {
        // Rounded to the smaller unit first, or 59.9 s would become 60 s.
        let rounded = us.saturating_add(small / 2) / small * small;
        match (rounded / big, rounded % big / small) {
            (count, 0) => format!("{count} {big_name}"),
            (count, rest) => format!("{count} {big_name} {rest} {small_name}"),
        }
    };
    match us {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..999_500 => format!("{} ms", (us + 500) / 1_000),
        999_500..9_950_000 => format!("{:.1} s", us as f64 / S as f64).replace(".0 s", " s"),
        9_950_000..59_500_000 => format!("{} s", (us + S / 2) / S),
        _ if us < HOUR - S / 2 => two(MIN, "min", S, "s"),
        _ if us < DAY - MIN / 2 => two(HOUR, "h", MIN, "min"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

/// A time of the run as on a clock: `05:12:07`, with days in front where there are any.
pub(crate) fn clock(us: u64) -> String {
    let s = us / 1_000_000;
    let (days, h, min, s) = (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60);
    match days {
        0 => format!("{h:02}:{min:02}:{s:02}"),
        _ => format!("{days} d {h:02}:{min:02}:{s:02}"),
    }
}

/// A number of bytes: `812 B`, `1.2 kB`, `34 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            return match unit {
                "B" => format!("{count} B"),
                _ if value < 9.95 => format!("{value:.1} {unit}"),
                _ => format!("{value:.0} {unit}"),
            };
        }
        value /= 1_000.0;
    }
    format!("{value:.1} TB")
}

/// A count with its thousands set apart: `12,345`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share, 0 to 1, with two digits that say something: `7.3 %`, `0.042 %`. Below one, it never becomes a round `100 %`.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        _ if percent <= 0.0 || percent >= 100.0 => 0,
        _ if percent > 99.0 => return format!("{:.1} %", (percent * 10.0).floor() / 10.0),
        _ if percent >= 9.95 => 0,
        _ if percent >= 0.095 => 1,
        _ if percent >= 0.0095 => 2,
        _ => 3,
    };
    format!("{percent:.digits$} %").replace(".0 %", " %")
}

/// `1 node`, `2 nodes`; `1 delivery`, `2 deliveries`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let noun = match noun.strip_suffix('y') {
        _ if number == 1 => noun.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    };
    format!("{} {noun}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_over_into_the_next_unit() {
        let s = 1_000_000;
        for (us, text) in [
            (0, "0 s"),
            (999, "999 µs"),
            (350_400, "350 ms"),
            (999_700, "1 s"),
            (2_340_000, "2.3 s"),
            (42 * s, "42 s"),
            (59_700_000, "1 min"),
            (61 * s, "1 min 1 s"),
            (3_599_600_000, "1 h"),
            (18_720 * s, "5 h 12 min"),
            (86_399 * s, "1 d"),
            (273_600 * s, "3 d 4 h"),
        ] {
            assert_eq!(duration(us), text, "{us}");
        }
        assert_eq!(clock(90_061 * s), "1 d 01:01:01");
    }

    #[test]
    fn numbers_are_short_and_never_flatter() {
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(1_234), "1.2 kB");
        assert_eq!(bytes(34_000_000), "34 MB");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(share(0.073), "7.3 %");
        assert_eq!(share(0.000_42), "0.04 %");
        assert_eq!(share(0.999_99), "99.9 %");
        assert_eq!(share(1.0), "100 %");
    }
}
