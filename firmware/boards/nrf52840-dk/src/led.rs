//! The board's LEDs light up when their pin is low.

use embedded_hal::digital::{ErrorType, OutputPin};

/// A pin whose low level is on.
pub struct ActiveLow<P>(pub P);

impl<P: OutputPin> ErrorType for ActiveLow<P> {
    type Error = P::Error;
}

impl<P: OutputPin> OutputPin for ActiveLow<P> {
    fn set_high(&mut self) -> Result<(), P::Error> {
        self.0.set_low()
    }

    fn set_low(&mut self) -> Result<(), P::Error> {
        self.0.set_high()
    }
}
