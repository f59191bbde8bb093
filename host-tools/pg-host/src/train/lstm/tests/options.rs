//! Gate tests, splits and dropped inputs.
use super::*;

#[test]
fn kernels_match_with_other_gates_and_digits() {
    for test in [GateTest::Within, GateTest::Above] {
        for digits in [SplitKind::Rounded, SplitKind::Truncated] {
            compare(LstmSpec {
                test,
                digits,
                activation_bits: 4,
                msb_bits: 2,
                ..spec(Arithmetic::Gated)
            });
        }
    }
    let group = GateGroup::TwoUnits;
    compare(LstmSpec {
        test: GateTest::Above,
        group,
        ..spec(Arithmetic::Gated)
    });
}

/// Zeros and twos, as dropout has them.
fn halves(n: usize) -> Vec<f32> {
    let pick = |v: f32| if v > 0.0 { 2.0 } else { 0.0 };
    noise(n, 11).into_iter().map(pick).collect()
}

#[test]
fn kernels_match_with_dropped_inputs_and_give_the_gradient_of_the_input() {
    for arithmetic in [Arithmetic::Float, Arithmetic::Uniform, Arithmetic::Gated] {
        let spec = LstmSpec {
            input_gradient: true,
            ..spec(arithmetic)
        };
        let mut case = case(&spec);
        // Some inputs beyond the range of the codes.
        case.x.iter_mut().for_each(|x| *x *= 2.0);
        case.mask = Some(halves(case.x.len()));
        compare_case(spec, &case);

        let device = Device::flex().autodiff();
        let three = |v: &[f32], k| {
            Tensor::<3>::from_data(TensorData::new(v.to_vec(), [BATCH, FRAMES, k]), &device)
        };
        let two = |k: usize| {
            let (values, shape) = case.values[k].clone();
            Tensor::<2>::from_data(TensorData::new(values, shape), &device)
        };
        let x = three(&case.x, spec.inputs).require_grad();
        let parameters = Parameters {
            w_x: two(0),
            w_h: two(1),
            bias: two(2),
            threshold: two(3),
            scale_x: two(4),
            scale_h: two(5),
        };
        let call = Call {
            spec,
            workspace: Workspace::default(),
            state: None,
            mask: case.mask.clone(),
            training: true,
        };
        let out = lstm(x.clone(), parameters, call, false).hidden;
        let loss = (out * three(&case.upstream, spec.hidden)).sum();
        let slow = x.grad(&loss.backward()).unwrap();
        let slow = slow.into_data().try_to_vec::<f32>().unwrap();

        let view = WeightView {
            w_x: &case.values[0].0,
            w_h: &case.values[1].0,
            bias: &case.values[2].0,
            threshold: &case.values[3].0,
            scale_x: case.values[4].0[0],
            scale_h: case.values[5].0[0],
        };
        let inputs = Inputs {
            batch: BATCH,
            frames: FRAMES,
            x: &case.x,
            mask: case.mask.as_deref(),
            hidden: None,
            cell: None,
        };
        let mut tape = Tape::default();
        let mut out = vec![0.0; BATCH * FRAMES * spec.hidden];
        forward(&spec, &view, &inputs, true, &mut tape, &mut out);
        let grads = backward(&spec, &mut tape, &case.x, inputs.mask, &case.upstream);
        close("x", &grads.x, &slow, 2e-4);
    }
}
