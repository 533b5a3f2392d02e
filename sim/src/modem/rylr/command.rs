//! AT commands that ask or set.

use super::settings::{Model, Parameters, Refusal, Settings};

/// No "=" (RYLR896).
const NO_EQUALS: Refusal = 3;
const UNKNOWN: Refusal = 4;
const BAD_SMART_TIMES: Refusal = 20;
/// How long the smart mode may listen and sleep, in milliseconds.
const SMART_MS: std::ops::RangeInclusive<u16> = 30..=60_000;

/// What a command is answered.
pub(super) type Answer = Result<String, Refusal>;

fn ok() -> Answer {
    Ok("+OK".into())
}

fn number<T: std::str::FromStr>(digits: &str) -> Result<T, Refusal> {
    digits.parse().map_err(|_| UNKNOWN)
}

impl Settings {
    /// Carries out what follows `AT+`. Does not know RESET, FACTORY and SEND.
    pub(super) fn execute(&mut self, model: Model, names_network: bool, command: &str) -> Answer {
        if let Some(name) = command.strip_suffix('?') {
            return self.query(model, names_network, name);
        }
        let Some((name, value)) = command.split_once('=') else {
            return Err(if model == Model::Rylr896 {
                NO_EQUALS
            } else {
                UNKNOWN
            });
        };
        self.set(model, name, value)
    }

    fn query(&self, model: Model, names_network: bool, name: &str) -> Answer {
        let value = match name {
            "ADDRESS" => self.address.to_string(),
            "NETWORKID" if names_network => return Ok(format!("+NETWORK={}", self.network)),
            "NETWORKID" => self.network.to_string(),
            "BAND" => self.band_hz.to_string(),
            "PARAMETER" => {
                let [factor, bandwidth, rate, preamble] = self.parameters;
                format!("{factor},{bandwidth},{rate},{preamble}")
            }
            "MODE" => match self.smart_ms {
                Some((receive_ms, low_ms)) => format!("{},{receive_ms},{low_ms}", self.mode),
                None => self.mode.to_string(),
            },
            "IPR" => self.speed.to_string(),
            "CPIN" => self.password.clone().unwrap_or_else(|| "No Password!".into()),
            "CRFOP" => self.power_dbm.to_string(),
            "UID" => "164738323135383200100025".into(),
            "VER" => format!("{}_V1.2.2", model.name()),
            _ => return Err(UNKNOWN),
        };
        Ok(format!("+{name}={value}"))
    }

    fn set(&mut self, model: Model, name: &str, value: &str) -> Answer {
        match name {
            "ADDRESS" => self.address = number(value)?,
            "NETWORKID" => {
                let network = number(value)?;
                self.network = Some(network)
                    .filter(|network| model.has_network(*network))
                    .ok_or(UNKNOWN)?;
            }
            "BAND" => {
                let (digits, is_kept) = match value.strip_suffix(",M") {
                    Some(digits) if model == Model::Rylr998 => (digits, true),
                    _ => (value, false),
                };
                let band_hz = number(digits)?;
                if !model.has_band(band_hz) {
                    return Err(UNKNOWN);
                }
                self.band_hz = band_hz;
                if is_kept {
                    self.kept_band_hz = band_hz;
                }
            }
            "PARAMETER" => {
                let numbers: Vec<u8> = value.split(',').map(number).collect::<Result<_, _>>()?;
                let parameters = Parameters::try_from(numbers).map_err(|_| UNKNOWN)?;
                model.check(parameters, self.network)?;
                self.parameters = parameters;
            }
            "MODE" => self.set_mode(model, value)?,
            "IPR" => {
                let speed = number(value)?;
                if !model.has_speed(speed) {
                    return Err(UNKNOWN);
                }
                self.speed = speed;
                return Ok(format!("+IPR={speed}"));
            }
            "CPIN" => {
                let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !is_hex || value.len() != model.password_len() {
                    return Err(UNKNOWN);
                }
                self.password = Some(value.to_ascii_uppercase());
            }
            "CRFOP" => {
                let power_dbm = number(value)?;
                self.power_dbm = Some(power_dbm)
                    .filter(|power_dbm| *power_dbm <= model.power_dbm_max())
                    .ok_or(UNKNOWN)?;
            }
            _ => return Err(UNKNOWN),
        }
        ok()
    }

    fn set_mode(&mut self, model: Model, value: &str) -> Result<(), Refusal> {
        let numbers: Vec<u16> = value.split(',').map(number).collect::<Result<_, _>>()?;
        (self.mode, self.smart_ms) = match (numbers.as_slice(), model) {
            ([0], _) => (0, None),
            ([1], _) => (1, None),
            ([2, receive_ms, low_ms], Model::Rylr998) => {
                if !SMART_MS.contains(receive_ms) || !SMART_MS.contains(low_ms) {
                    return Err(BAD_SMART_TIMES);
                }
                (2, Some((*receive_ms, *low_ms)))
            }
            _ => return Err(UNKNOWN),
        };
        Ok(())
    }
}
