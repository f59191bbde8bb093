use super::*;

fn trainable(network: &Network) -> usize {
    let parameters = network.parameters(1).unwrap();
    let of_network =
        |p: &&Parameter| matches!(p.role, Role::Weight | Role::Gamma | Role::Beta | Role::Bias);
    parameters
        .iter()
        .filter(of_network)
        .map(Parameter::len)
        .sum()
}

#[test]
fn resnet20_has_the_published_size() {
    let network = resnet20(10);
    assert_eq!(trainable(&network), 269_722);
    let macs: u64 = network.macs().unwrap().iter().sum();
    assert_eq!(macs, 40_551_040);
    assert_eq!(network.shapes().unwrap().last(), Some(&[1, 1, 10]));
}

#[test]
fn shufflenet_has_the_published_size() {
    let network = shufflenet_v2_05x(1000, 224);
    assert_eq!(trainable(&network), 1_366_792);
    let macs: u64 = network.macs().unwrap().iter().sum();
    assert!((39_000_000..44_000_000).contains(&macs), "{macs}");
}

#[test]
fn a_block_of_shiftnet_moves_every_channel_once() {
    let network = shiftnet20(10);
    network.shapes().unwrap();
    for node in &network.nodes {
        if let Op::Shift { displacement } = &node.op {
            let still = displacement.iter().filter(|d| **d == [0, 0]).count();
            assert!(still.abs_diff(displacement.len() / 9) <= 1);
        }
    }
}

#[test]
fn gates_are_where_they_are_asked_for() {
    let gates = |layers| {
        let network = resnet20(10).gated(layers);
        let gated = |n: &&Node| matches!(&n.op, Op::Conv(c) if c.gated);
        network.nodes.iter().filter(gated).count()
    };
    assert_eq!(gates(GatedLayers::AllButFirst), 18);
    assert_eq!(gates(GatedLayers::Published), 9);
    let network = shufflenet_v2_05x(20, 64).gated(GatedLayers::AllButFirst);
    let parameters = network.parameters(16).unwrap();
    let last = parameters.iter().find(|p| p.name == "conv5.threshold");
    assert_eq!(last.unwrap().shape, [64]);
    // One range per stage, listed once.
    let stage = |p: &&Parameter| p.name == "stage3.clip";
    assert_eq!(parameters.iter().filter(stage).count(), 1);
}

#[test]
fn a_description_survives_json_and_errors_name_the_node() {
    let mut network = shufflenet_v2_05x(20, 64).gated(GatedLayers::Published);
    let text = serde_json::to_string(&network).unwrap();
    assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
    network.nodes[3].inputs[0] = 99;
    let error = format!("{:#}", network.shapes().unwrap_err());
    assert!(
        error.contains(&network.nodes[3].name) && error.contains("99"),
        "{error}"
    );
}

#[test]
fn a_model_survives_a_file_and_damage_is_named() {
    use super::model::{ImageMeta, ImageMetrics, ImageModel, InputCodes};
    let network = resnet20(10).gated(GatedLayers::AllButFirst);
    let parameters = network.parameters(4).unwrap();
    let values = parameters
        .iter()
        .map(|p| (p.name.clone(), vec![0.5; p.len()]));
    let mut model = ImageModel {
        values: values.collect(),
        meta: ImageMeta {
            recipe: "r".into(),
            recipe_toml: String::new(),
            labels: vec!["a".into(); 10],
            network,
            kind: crate::model::ModelKind::Gated,
            activation_bits: 4,
            msb_bits: 3,
            weight_bits: 8,
            gate_block: 4,
            gate_group: 1,
            input: InputCodes {
                mean: vec![128.0; 3],
                step: vec![1.0; 3],
                scale: 1.0 / 64.0,
            },
            seed: 1,
            epoch: 2,
            test: ImageMetrics::default(),
            command: String::new(),
            seconds: 0.25,
        },
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    assert_eq!(ImageModel::load(&path).unwrap(), model);
    assert!(ImageModel::recognises(&std::fs::read(&path).unwrap()));
    let norms = model.meta.input.norms().unwrap();
    assert_eq!(
        [0, 1, 128, 255].map(|p| norms[0].code(p)),
        [-127, -127, 0, 127]
    );
    model.values.insert("conv1.gamma".into(), vec![-1.0; 16]);
    let error = format!("{:#}", model.save(&path).unwrap_err());
    assert!(error.contains("conv1.gamma"), "{error}");
}
