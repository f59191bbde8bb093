use super::*;

const N: usize = 5;
const H: usize = 6;
const WORDS: usize = CHUNK + 37;

fn noise(n: usize, seed: u32) -> Vec<f32> {
    (0..n)
        .map(|i| ((i as f32 + 1.0) * (seed as f32 + 0.618)).sin())
        .collect()
}

fn loss(w: &[f32], bias: &[f32], hidden: &[f32], targets: &[u32]) -> f64 {
    let weights = Weights { w, bias, max: None };
    let (sum, count) = Head::default().forward(&weights, hidden, targets);
    sum / count as f64
}

#[test]
fn loss_and_gradients_are_those_of_a_softmax() {
    let (w, bias, hidden) = (noise(WORDS * H, 1), noise(WORDS, 2), noise(N * H, 3));
    let targets = [3, NONE, CHUNK as u32 + 5, 0, WORDS as u32 - 1];
    let weights = Weights {
        w: &w,
        bias: &bias,
        max: None,
    };
    let mut head = Head::default();
    let (sum, count) = head.forward(&weights, &hidden, &targets);
    let mut expected = 0.0;
    for (row, &t) in targets.iter().enumerate().filter(|(_, t)| **t != NONE) {
        let logit = |v: usize| -> f64 {
            let x = &hidden[row * H..][..H];
            let dot: f32 = x.iter().zip(&w[v * H..]).map(|(a, b)| a * b).sum();
            f64::from(dot + bias[v])
        };
        let total: f64 = (0..WORDS).map(|v| logit(v).exp()).sum();
        expected += total.ln() - logit(t as usize);
    }
    assert_eq!(count, 4);
    assert!((sum - expected).abs() < 1e-4, "{sum} {expected}");

    let mut grads = Grads::default();
    head.backward(&weights, &hidden, &mut grads);
    let slope = |with: &dyn Fn(f32) -> f64| (with(0.05) - with(-0.05)) / 0.1;
    for k in [0, 7, 3 * H + 1, (CHUNK + 5) * H + 2, WORDS * H - 1] {
        let with = |step: f32| {
            let mut w = w.clone();
            w[k] += step;
            loss(&w, &bias, &hidden, &targets)
        };
        assert!((slope(&with) - f64::from(grads.w[k])).abs() < 1e-4, "w {k}");
    }
    for k in [0, 3, CHUNK + 5] {
        let with = |step: f32| {
            let mut bias = bias.clone();
            bias[k] += step;
            loss(&w, &bias, &hidden, &targets)
        };
        assert!(
            (slope(&with) - f64::from(grads.bias[k])).abs() < 1e-4,
            "bias {k}"
        );
    }
    for k in [0, H + 1, 4 * H + 3] {
        let with = |step: f32| {
            let mut hidden = hidden.clone();
            hidden[k] += step;
            loss(&w, &bias, &hidden, &targets)
        };
        let found = f64::from(grads.hidden[k]);
        assert!((slope(&with) - found).abs() < 3e-4, "hidden {k}: {found}");
    }
}

#[test]
fn rounded_weights_are_those_of_the_exporter() {
    let (w, bias, hidden) = (noise(WORDS * H, 1), noise(WORDS, 2), noise(N * H, 3));
    let targets = [1, 2, 3, 4, 5];
    let (codes, scales) = quantise_rows(&w, H, 7.0);
    let rows = codes.chunks_exact(H).zip(scales);
    let rounded: Vec<f32> = rows
        .flat_map(|(r, s)| r.iter().map(move |c| c * s))
        .collect();
    let weights = Weights {
        w: &w,
        bias: &bias,
        max: Some(7.0),
    };
    let (sum, _) = Head::default().forward(&weights, &hidden, &targets);
    let expected = 5.0 * loss(&rounded, &bias, &hidden, &targets);
    assert!((sum - expected).abs() < 1e-6);
    assert!((sum - 5.0 * loss(&w, &bias, &hidden, &targets)).abs() > 1e-3);
}
