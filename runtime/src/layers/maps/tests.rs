//! Every layer against the plainest way to compute it, on random views.

use super::*;
use crate::layers::numbers::Numbers;
use crate::quant::Requant;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

fn code(n: &mut Numbers, format: Format) -> i8 {
    let (low, high) = format.range();
    n.next(low.into(), high.into()) as i8
}

fn requant(n: &mut Numbers, post: i64) -> Requant {
    Requant {
        mult: n.next(1 << 14, (1 << 15) - 1) as u16,
        pre: n.next(0, 3) as u8,
        post: n.next(post, post + 4) as u8,
    }
}

prop_compose! {
    fn formats()(bits in 2u8..=8, signed: bool) -> Format {
        Format::new(bits, signed).unwrap()
    }
}

fn view((height, width): (usize, usize), channels: usize, first: usize, step: usize) -> View {
    let shape = Shape {
        height,
        width,
        channels: first + channels * step,
    };
    View {
        shape,
        first,
        step,
        channels,
    }
}

prop_compose! {
    /// Ends with as many channels on either side, and the window between them.
    fn ends()(
        (input_format, output_format) in (formats(), formats()),
        edges in (1usize..7, 1usize..7),
        (kernel, stride, padding) in (1usize..4, 1usize..3, 0usize..3),
        channels in prop::sample::select(vec![1usize, 3, 16, 19, 40]),
        (first, step, to_first, to_step) in (0usize..3, 1usize..3, 0usize..3, 1usize..3),
    ) -> (Ends, Window) {
        let window = Window { kernel, stride, padding: padding.min(kernel - 1) };
        let to = (window.outputs(edges.0), window.outputs(edges.1));
        let ends = Ends {
            input: view(edges, channels, first, step),
            output: view((to.0.max(1), to.1.max(1)), channels, to_first, to_step),
            input_format,
            output_format,
        };
        (ends, window)
    }
}

/// Codes of every pixel and channel of a view, `None` outside the map.
fn read(view: View, format: Format, codes: &[i8], y: i64, x: i64, channel: usize) -> Option<i32> {
    let inside = |at: i64, edge: usize| usize::try_from(at).ok().filter(|&at| at < edge);
    let (y, x) = (inside(y, view.shape.height)?, inside(x, view.shape.width)?);
    Some(format.value(codes[view.index(y, x, channel)]))
}

/// Runs a layer over random maps; where it does not write, the output map keeps
/// what it had. `expected` is the code of an output.
fn compare(
    ends: Ends,
    n: &mut Numbers,
    run: impl Fn(&[i8], &mut [i8]),
    expected: impl Fn(&[i8], usize, usize, usize) -> i8,
) {
    let input: Vec<i8> = (0..ends.input.shape.len())
        .map(|_| code(n, ends.input_format))
        .collect();
    let mut output = vec![77; ends.output.shape.len()];
    let mut want = output.clone();
    run(&input, &mut output);
    let view = ends.output;
    for y in 0..view.shape.height {
        for x in 0..view.shape.width {
            for channel in 0..view.channels {
                want[view.index(y, x, channel)] = expected(&input, y, x, channel);
            }
        }
    }
    assert_eq!(output, want);
}

/// The codes under a window, those outside the map `None`.
fn window_codes<'c>(
    ends: Ends,
    window: Window,
    codes: &'c [i8],
    (y, x, channel): (usize, usize, usize),
) -> impl Iterator<Item = (usize, Option<i32>)> + 'c {
    let place =
        move |at: usize, tap: usize| (at * window.stride + tap) as i64 - window.padding as i64;
    (0..window.kernel * window.kernel).map(move |tap| {
        let (y, x) = (place(y, tap / window.kernel), place(x, tap % window.kernel));
        (
            tap,
            read(ends.input, ends.input_format, codes, y, x, channel),
        )
    })
}

fn fits(ends: Ends, window: Window) -> bool {
    let shape = ends.input.shape;
    window.outputs(shape.height) > 0 && window.outputs(shape.width) > 0
}

proptest! {
    #[test]
    fn depthwise((ends, window) in ends(), seed: u64) {
        prop_assume!(fits(ends, window));
        let mut n = Numbers(seed);
        let (channels, taps) = (ends.input.channels, window.kernel * window.kernel);
        let weights: Vec<i8> = (0..taps * channels).map(|_| n.next(-127, 127) as i8).collect();
        let bias: Vec<i32> = (0..channels).map(|_| n.next(-4000, 4000) as i32).collect();
        let requant: Vec<Requant> = (0..channels).map(|_| requant(&mut n, 16)).collect();
        let layer = Depthwise::new(ends, window, &weights, &bias, &requant).unwrap();
        compare(ends, &mut n, |i, o| layer.run(i, o), |codes, y, x, c| {
            let products = window_codes(ends, window, codes, (y, x, c))
                .map(|(tap, q)| i32::from(weights[tap * channels + c]) * q.unwrap_or(0));
            ends.output_format.code(requant[c].apply(bias[c] + products.sum::<i32>()))
        });
    }

    #[test]
    fn largest((mut ends, window) in ends(), seed: u64) {
        prop_assume!(fits(ends, window));
        ends.output_format = ends.input_format;
        let layer = MaxPool::new(ends, window).unwrap();
        compare(ends, &mut Numbers(seed), |i, o| layer.run(i, o), |codes, y, x, c| {
            let inside = window_codes(ends, window, codes, (y, x, c)).filter_map(|(_, q)| q);
            inside.max().unwrap() as i8
        });
    }

    #[test]
    fn means((mut ends, window) in ends(), whole: bool, seed: u64) {
        prop_assume!(fits(ends, window));
        let mut n = Numbers(seed);
        let requant = requant(&mut n, 14);
        if whole {
            (ends.output.shape.height, ends.output.shape.width) = (1, 1);
        }
        let layer = AveragePool::new(ends, (!whole).then_some(window), requant).unwrap();
        compare(ends, &mut n, |i, o| layer.run(i, o), |codes, y, x, c| {
            let sum: i32 = if whole {
                let shape = ends.input.shape;
                (0..shape.height * shape.width)
                    .map(|p| ends.input_format.value(
                        codes[ends.input.index(p / shape.width, p % shape.width, c)],
                    ))
                    .sum()
            } else {
                window_codes(ends, window, codes, (y, x, c)).map(|(_, q)| q.unwrap_or(0)).sum()
            };
            ends.output_format.code(requant.apply(sum))
        });
    }

    #[test]
    fn moves((mut ends, _) in ends(), stay: bool, seed: u64) {
        ends.output_format = ends.input_format;
        (ends.output.shape.height, ends.output.shape.width) =
            (ends.input.shape.height, ends.input.shape.width);
        let mut n = Numbers(seed);
        let by: Vec<Displacement> = (0..ends.input.channels)
            .map(|_| [n.next(-2, 2) as i8, n.next(-1, 1) as i8])
            .collect();
        let layer = Shift::new(ends, (!stay).then_some(by.as_slice())).unwrap();
        compare(ends, &mut n, |i, o| layer.run(i, o), |codes, y, x, c| {
            let [dy, dx] = if stay { [0, 0] } else { by[c] };
            let (y, x) = (y as i64 + i64::from(dy), x as i64 + i64::from(dx));
            read(ends.input, ends.input_format, codes, y, x, c).unwrap_or(0) as i8
        });
        // Where it lies, the same; channels outside the view stay.
        ends.output = ends.input;
        let layer = Shift::new(ends, (!stay).then_some(by.as_slice())).unwrap();
        let map: Vec<i8> = (0..ends.input.shape.len()).map(|_| code(&mut n, ends.input_format)).collect();
        let (mut moved, mut want) = (map.clone(), map.clone());
        layer.run_in_place(&mut moved);
        layer.run(&map, &mut want);
        assert_eq!(moved, want);
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let format = Format::new(4, false).unwrap();
    let ends = Ends {
        input: view((4, 4), 3, 0, 1),
        output: view((4, 4), 3, 0, 1),
        input_format: format,
        output_format: format,
    };
    let window = Window {
        kernel: 3,
        stride: 1,
        padding: 1,
    };
    assert!(MaxPool::new(ends, window).is_ok());
    let outside = Window {
        padding: 3,
        ..window
    };
    assert_eq!(MaxPool::new(ends, outside).unwrap_err(), MapError::Map);
    let none = Window {
        kernel: 0,
        ..window
    };
    assert_eq!(MaxPool::new(ends, none).unwrap_err(), MapError::Window);
    let signed = Ends {
        output_format: Format::new(4, true).unwrap(),
        ..ends
    };
    assert_eq!(
        MaxPool::new(signed, window).unwrap_err(),
        MapError::Channels
    );
    let wider = Ends {
        output: view((4, 4), 4, 0, 1),
        ..ends
    };
    assert_eq!(Shift::new(wider, None).unwrap_err(), MapError::Channels);
    let short = Shift::new(ends, Some(&[[0, 0]])).unwrap_err();
    assert_eq!(short, MapError::Parameters);
}
