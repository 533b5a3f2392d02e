//! Chirps of different slopes disturb each other too, though much less than their like.

use cairn_transports::lora::SpreadingFactor;

/// By how much a frame must be stronger than one of another spreading factor, in dB: a row for the frame, a column for the other, SF7 to
/// SF12. Negative: it may be weaker. The diagonal is the business of [`Collisions`](super::Collisions).
type Matrix = [[f32; 6]; 6];

const GOURSAUD: Matrix = [
    [0.0, -16.0, -18.0, -19.0, -19.0, -20.0],
    [-24.0, 0.0, -20.0, -22.0, -22.0, -22.0],
    [-27.0, -27.0, 0.0, -23.0, -25.0, -25.0],
    [-30.0, -30.0, -30.0, 0.0, -26.0, -28.0],
    [-33.0, -33.0, -33.0, -33.0, 0.0, -29.0],
    [-36.0, -36.0, -36.0, -36.0, -36.0, 0.0],
];

const CROCE: Matrix = [
    [0.0, -8.0, -9.0, -9.0, -9.0, -9.0],
    [-11.0, 0.0, -11.0, -12.0, -13.0, -13.0],
    [-15.0, -13.0, 0.0, -13.0, -14.0, -15.0],
    [-19.0, -18.0, -17.0, 0.0, -17.0, -18.0],
    [-22.0, -22.0, -21.0, -20.0, 0.0, -20.0],
    [-25.0, -25.0, -25.0, -24.0, -23.0, 0.0],
];

/// What frames of other spreading factors do to a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterSf {
    /// Nothing (LoRaSim, Meshtasticator).
    None,
    /// Computed by Goursaud and Gorce (2015); what ns-3 takes.
    #[default]
    Goursaud,
    /// Measured by Croce et al. (2018).
    Croce,
}

impl InterSf {
    /// By how much a frame must be stronger than another to survive it, in dB. `None`: it survives whatever comes. SF5 and SF6 are in
    /// nobody's table and disturb only their like.
    pub(super) fn threshold_db(self, wanted: SpreadingFactor, other: SpreadingFactor) -> Option<f32> {
        let matrix = match self {
            Self::None => return None,
            Self::Goursaud => &GOURSAUD,
            Self::Croce => &CROCE,
        };
        let place = |factor: SpreadingFactor| usize::from(factor.get()).checked_sub(7);
        Some(matrix[place(wanted)?][place(other)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_what_is_wanted() {
        let factor = |number| SpreadingFactor::new(number).unwrap();
        let threshold = |model: InterSf, wanted, other| model.threshold_db(factor(wanted), factor(other));
        assert_eq!(threshold(InterSf::Goursaud, 7, 12), Some(-20.0));
        assert_eq!(threshold(InterSf::Goursaud, 12, 7), Some(-36.0));
        assert_eq!(threshold(InterSf::Croce, 7, 8), Some(-8.0));
        assert_eq!(threshold(InterSf::Croce, 8, 7), Some(-11.0));
        assert_eq!(threshold(InterSf::Croce, 11, 10), Some(-20.0));
        assert_eq!(threshold(InterSf::Croce, 6, 10), None);
        assert_eq!(threshold(InterSf::None, 7, 8), None);
    }
}
