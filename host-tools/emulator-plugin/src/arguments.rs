//! `start=0x..,stop=0x..,end=0x..,out=FILE`.

use std::path::PathBuf;

/// The plugin's arguments.
pub struct Arguments {
    /// Address of the function that starts counting.
    pub start: u64,
    /// Address of the function that stops counting.
    pub stop: u64,
    /// Address of the function that ends a region.
    pub end: u64,
    /// File of the profile.
    pub out: PathBuf,
}

impl Arguments {
    /// Takes `name=value` arguments in any order; each must be there.
    pub fn parse<'a>(arguments: impl Iterator<Item = &'a str> + Clone) -> Result<Self, String> {
        let known = ["start", "stop", "end", "out"];
        for argument in arguments.clone() {
            let name = argument.split('=').next().unwrap_or_default();
            if !known.contains(&name) {
                return Err(format!("unknown argument {argument:?}"));
            }
        }
        let value = |name: &str| {
            (arguments.clone())
                .filter_map(|argument| argument.split_once('='))
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value)
                .ok_or_else(|| format!("the argument {name}= is missing"))
        };
        let address = |name: &str| {
            let text = value(name)?;
            let digits = text.trim_start_matches("0x");
            u64::from_str_radix(digits, 16).map_err(|_| format!("{name}={text} is not an address"))
        };
        Ok(Self {
            start: address("start")?,
            stop: address("stop")?,
            end: address("end")?,
            out: value("out")?.into(),
        })
    }
}
