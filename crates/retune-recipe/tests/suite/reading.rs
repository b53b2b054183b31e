//! What is said where, which wins, and what a recipe looks like when written.

use std::path::Path;

use expect_test::expect;
use retune_recipe::{DataFormat, DeviceChoice, Fallback, Key, Origin, Plan, Precision, Recipe, SelectionMetric, keys};

use crate::{least_and, plan};

#[test]
fn every_default_is_in_the_plan() {
    expect![[r#"
        [model]
        # The pretrained model: a folder, or a name on the Hugging Face Hub such as org/name.
        path = "org/name"
        # The branch, tag or commit on the Hub. A folder has none.
        revision = "main"
        # Take files from folders and caches only, never from the network.
        offline = false

        [task]
        # What the model is fine-tuned for.
        kind = "classification"
        # What training makes small; auto is the task's own.
        loss = "cross-entropy"
        # What classifies: the head that transformers puts on the architecture, or a linear layer on the sentence embedding, in a directory that sentence-transformers loads (classification).
        head = "architecture"
        # The share of each label that is spread over all classes (cross-entropy).
        label_smoothing = 0.0
        # Weights of the classes in cross-entropy: none, balanced, or by name, as "urgent=5, spam=0.5".
        class_weights = "none"
        # Weights of each label's positive examples in binary cross-entropy, likewise.
        positive_weights = "none"
        # How much less the focal loss counts what is right already; 0 is cross-entropy.
        focal_gamma = 2.0
        # The error from which on Huber's loss is linear.
        huber_delta = 1.0
        # What stands between the labels of one example, where they are one text (multi-label).
        # label_separator is unset: labels are lists in the file
        # The share of tokens that masked language modelling asks for.
        mask_probability = 0.15
        # Mask all sub-words of a word, or none.
        whole_word_masking = false
        # Take each line of text for itself, instead of cutting all text into blocks of data.max_length (masked-lm).
        line_by_line = false
        # Tokens that two windows of a long context share (question answering).
        stride = 128
        # The longest answer, in tokens.
        max_answer_length = 30
        # Starts and ends that answers are sought among.
        n_best = 20
        # How the vectors of a text's tokens become one (embeddings); auto goes by the model directory.
        pooling = "auto"
        # What cosines are multiplied by in the loss of in-batch negatives.
        scale = 20.0
        # By how much nearer a triplet's partner shall be than its negative, in Euclidean distance.
        margin = 5.0

        [data]
        # The examples to train on: a file, a folder or a pattern of files, an array of a document (data.json#train), or a data set on the Hugging Face Hub (hub:org/name, hub:org/name:config@revision#split).
        train = "train.csv"
        # The file that decides which epoch's model is kept; of a hub:org/name the split validation, unless it names one.
        # validation is unset: split off the training file
        # The file that the kept model is tested on, once, at the end; of a hub:org/name the split test, unless it names one.
        # test is unset: no test
        # How the files are written (of the Hub it is Parquet); auto goes by the extension. In tsv-unquoted, a quotation mark is a character like any other.
        format = "auto"
        # The names of all columns, in their order, of files that do not name them: CSV and TSV without a header, JSON rows that are lists, CoNLL.
        # columns is unset: the files name their columns
        # The column that holds the text, or the columns of a pair (or, for embeddings, a triplet) of texts; a.b names a nested field.
        text = "sentence"
        # The column that holds the label: a class, classes, a number, tags, answers, or the right choice.
        label = "label"
        # A file with the name of one class on each line, for data in which labels are numbers, from 0.
        # label_names is unset: labels stand in the data by name
        # The columns of the choices, or the one that holds a list of them (multiple-choice).
        # choices is unset: the task has none
        # Which rows are read, as an expression of their columns (CEL): size(text) > 10 && label != "other".
        # filter is unset: all rows
        # Columns made of others, each as NAME = EXPRESSION (CEL): text = title + ". " + body.
        # computed is unset: none
        # Tokens of an example, special tokens counted; longer texts are cut.
        max_length = 128
        # The share of the training rows that is used, drawn by seed; a smaller share is part of a larger one.
        train_fraction = 1.0
        # At most so many training rows of each class are used, drawn by seed; fewer are part of more (classification).
        # train_per_class is unset: all
        # The share of the training file that is split off, by class and seed, where data.validation is not given.
        validation_fraction = 0.1

        [few_shot]
        # Train the encoder first, on so many pairs with a text of the same class, and of another, for each training text (SetFit; 20 is usual). The head is trained after it (classification).
        # pairs is unset: no contrastive stage
        # Passes over the pairs.
        epochs = 1.0
        # Stop the contrastive stage after so many optimiser steps.
        # max_steps is unset: few_shot.epochs decides
        # Pairs in an optimiser step.
        batch_size = 16
        # The highest learning rate of the contrastive stage.
        learning_rate = 2e-5

        [train]
        # Passes over the training data; may be fractional.
        epochs = 3.0
        # Stop after so many optimiser steps, where train.epochs would go on for longer.
        # max_steps is unset: train.epochs decides
        # Examples in an optimiser step.
        batch_size = 32
        # Examples that are computed at a time; their gradients add up to those of the batch. Saves memory.
        # micro_batch_size is unset: the whole batch at once
        # Tokens that are computed at a time, likewise; an example that has more is computed alone.
        # micro_batch_tokens is unset: the whole batch at once
        # How rows are drawn in an epoch: shuffled; in batches of like lengths; or as many of each class as of the others.
        sampling = "shuffled"
        # The highest learning rate, reached when warm-up ends.
        learning_rate = 5e-5
        # Decoupled weight decay. Biases and the weights of norms have none.
        weight_decay = 0.01
        # The global norm that gradients are clipped to; 0 turns clipping off.
        max_grad_norm = 1.0
        # The size that each element of a gradient is clipped to, before the norm is; 0 turns it off.
        max_grad_value = 0.0
        # Which parameters move: all, only biases and the head (BitFit), or the head alone. With an adapter: its own and the head.
        trained = "all"
        # Parameters that stay as they are, by name; * stands for any letters, as in *.embeddings.*.
        # frozen is unset: none
        # Train the head alone at first, and after each so many steps one layer more, from the top (gradual unfreezing).
        # unfreeze_every is unset: all layers from the first step
        # Compute each layer again in the backward pass instead of keeping what it computed: less memory, a third more time.
        recompute = false
        # What happens at a loss or gradient that is infinite or not a number: stop, or skip the batch and count it.
        non_finite = "stop"
        # Steps between two lines of the training log.
        log_every = 50

        [optimizer]
        # The optimiser. schedule-free has a warm-up, and then the same rate, whatever schedule.kind is.
        kind = "adamw"
        # Decay of the running mean of gradients; adafactor keeps none where it is 0.
        beta1 = 0.9
        # Decay of the running mean of squared gradients (of gradients, for lion).
        beta2 = 0.999
        # Added to the denominator (AdamW).
        epsilon = 1e-8
        # Momentum of SGD; 0 for none.
        momentum = 0.9
        # Nesterov's momentum (SGD).
        nesterov = false
        # What the learning rate is multiplied by for each layer further from the head; 1 for the same rate everywhere.
        layer_decay = 1.0
        # Factors of the learning rate by name of parameter, as "classifier.*=10"; the first that fits counts.
        # rates is unset: all at the learning rate
        # Weight decays by name of parameter, likewise, in place of train.weight_decay.
        # decays is unset: train.weight_decay

        [schedule]
        # The form of the learning rate after warm-up.
        kind = "linear"
        # The share of the steps over which the learning rate rises from 0 in a line.
        warmup_fraction = 0.1
        # The steps over which the learning rate rises, in place of a share.
        # warmup_steps is unset: schedule.warmup_fraction decides
        # The lowest rate, as a share of the highest (cosine, polynomial, warmup-stable-decay, plateau).
        min_factor = 0.0
        # How many times the rate starts from the top again (cosine-restarts).
        cycles = 1
        # The exponent of the polynomial; 1 is a line.
        power = 1.0
        # The share of the steps, at the end, over which the rate falls (warmup-stable-decay).
        decay_fraction = 0.2
        # How it falls there.
        decay_shape = "linear"
        # What the rate is multiplied by where evaluations get no better (plateau).
        plateau_factor = 0.1
        # Evaluations without a better value that are waited for before (plateau).
        plateau_patience = 1

        [regularization]
        # The weight of the divergence between two passes with different dropout (R-Drop, Liang et al. 2021); 0 for none. Costs a second pass.
        r_drop = 0.0
        # The size of the noise on embeddings in training (NEFTune, Jain et al. 2023); 0 for none, 5 is usual.
        neftune_alpha = 0.0
        # The decay of a running mean of the parameters, which is what is evaluated and kept; 0 for none, 0.999 is usual. In the first steps it is (1 + n) / (10 + n), if that is less.
        ema_decay = 0.0
        # The share of training after which the plain mean of the parameters of all steps is kept instead (SWA); 1 for none.
        average_from = 1.0
        # How many of the encoder's top layers are drawn anew before training (Zhang et al. 2021), the pooler with them.
        reinitialized_layers = 0

        [adapter]
        # The adapter: none, lora (Hu et al. 2021), dora (Liu et al. 2024) or ia3 (Liu et al. 2022).
        kind = "none"
        # The rank of LoRA's update.
        rank = 8
        # LoRA's update is multiplied by alpha / rank.
        alpha = 16.0
        # Multiply by alpha / √rank instead (rsLoRA, Kalajdzievski 2023).
        rank_stabilized = false
        # Dropout of what LoRA's update reads.
        dropout = 0.0
        # The modules that are adapted, by the end of their names, or all-linear.
        # targets is unset: those that PEFT takes for the architecture
        # Other ranks by module, as "layer.11.attention.self.query=16".
        # rank_pattern is unset: adapter.rank everywhere
        # Other alphas by module, likewise.
        # alpha_pattern is unset: adapter.alpha everywhere
        # Modules that are trained and saved whole beside the adapter.
        # saved_modules is unset: the head
        # The learning rate of LoRA's B matrices, as a multiple of A's (LoRA+, Hayou et al. 2024); 16 is usual.
        rate_ratio = 1.0
        # A folder with an adapter, as PEFT writes it, to go on from; its own configuration counts.
        # path is unset: a new adapter

        [checkpoint]
        # Steps between two checkpoints.
        # every is unset: at the end of each epoch
        # How many checkpoints stay on disk; the older ones are removed.
        keep = 1

        [evaluation]
        # Examples in an evaluation batch. It changes the speed and the memory, not the result.
        batch_size = 64
        # The measure on the validation data that decides which epoch's model is kept; auto is the task's own.
        metric = "accuracy"
        # Steps between two evaluations on the validation data.
        # every is unset: at the end of each epoch
        # Stop when so many evaluations in a row were no better than the best (early stopping).
        # patience is unset: training goes on to its end
        # Choose, on the validation data, the probability from which on a label is given (multi-label, and classification into two), and keep it with the model.
        tune_thresholds = false
        # Fit, on the validation data, the temperature that makes probabilities honest, and keep it with the model (classification).
        calibrate = false
        # Resamples behind the confidence intervals; 0 leaves the intervals out.
        bootstrap_samples = 1000
        # Examples of the final test whose predictions are explained, token by token (integrated gradients); 0 for none. It takes no longer than a fiftieth of the training, or than 2048 tokens of it for each.
        explain = 8

        [run]
        # The folder that the run writes; it must not hold another run.
        output = "runs/a"
        # The seed of every random draw.
        seed = 42
        # Where to compute; auto takes a GPU where there is one.
        device = "auto"
        # The number format of the matrix products.
        precision = "fp32"
        # Processor threads to compute with.
        # threads is unset: as libtorch decides
        # Write event files for TensorBoard into the folder tensorboard of the run.
        tensorboard = true
    "#]].assert_eq(&plan(&least_and("")).to_toml());
}

#[test]
fn a_recipe_writes_what_was_said_and_no_more() {
    let mut recipe = Recipe::new();
    recipe.set("run.seed", "7", "--seed").set("train.learning_rate", "2e-5", "--learning-rate");
    recipe.set("model.path", "dir with \"quotes\" and ü", "--model").set("model.revision", r"a\b", "--revision");
    recipe.set_list("data.text", &["a", "b"], "--text").set("data.label", "l", "--label");
    recipe.set("data.train", "x.csv", "--train");
    expect![[r#"
        [model]
        # The pretrained model: a folder, or a name on the Hugging Face Hub such as org/name.
        path = 'dir with "quotes" and ü'
        # The branch, tag or commit on the Hub. A folder has none.
        revision = 'a\b'

        [data]
        # The examples to train on: a file, a folder or a pattern of files, an array of a document (data.json#train), or a data set on the Hugging Face Hub (hub:org/name, hub:org/name:config@revision#split).
        train = "x.csv"
        # The column that holds the text, or the columns of a pair (or, for embeddings, a triplet) of texts; a.b names a nested field.
        text = ["a", "b"]
        # The column that holds the label: a class, classes, a number, tags, answers, or the right choice.
        label = "l"

        [train]
        # The highest learning rate, reached when warm-up ends.
        learning_rate = 2e-5

        [run]
        # The seed of every random draw.
        seed = 7
    "#]]
    .assert_eq(&recipe.to_toml().unwrap());
    let again = Recipe::parse(&recipe.to_toml().unwrap(), "x.csv").unwrap();
    assert_eq!(again.resolve(), recipe.resolve());
}

#[test]
fn a_wrong_recipe_is_not_written() {
    let recipe = least_and("[train]\nepoch = 1");
    assert_eq!(recipe.to_toml().unwrap_err().problems, recipe.problems());
}

#[test]
fn later_settings_win_and_are_remembered() {
    let mut recipe = least_and("[train]\nepochs = 1");
    let in_file = Origin::File { path: "a.toml".into(), line: Some(7) };
    assert_eq!(recipe.origin("train.epochs"), Some(&in_file));
    recipe.set("train.epochs", "2", "--epochs");
    recipe.set_assignment("train.epochs = 3");
    assert_eq!(recipe.origin("train.epochs"), Some(&Origin::Flag("--set train.epochs".into())));
    assert_eq!(plan(&recipe).train.epochs, 3.0);
}

#[test]
fn a_wrong_setting_stays_wrong_when_overridden() {
    let mut recipe = least_and("[train]\nepochs = 'x'");
    recipe.set("train.epochs", "2", "--epochs");
    assert_eq!(recipe.resolve().unwrap_err().problems.len(), 1);
}

#[test]
fn a_flag_needs_no_quotes() {
    let mut recipe = least_and("");
    recipe.set("data.label", "2024", "--label").set("data.text", "true", "--text").set("run.output", "1e5", "--output");
    let said = plan(&recipe);
    assert_eq!((said.data.label.as_deref(), said.data.text.as_slice()), (Some("2024"), &["true".to_owned()][..]));
    assert_eq!(said.run.output, Path::new("1e5"));
    recipe.set("data.text", "[\"a\", \"b\"]", "--text").set("data.label", "'quoted'", "--label");
    let said = plan(&recipe);
    assert_eq!((said.data.label.as_deref(), said.data.text), (Some("quoted"), vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn sections_tables_and_dotted_keys_say_the_same() {
    let forms = ["[train]\nepochs = 2\nlog_every = 1", "train.epochs = 2\ntrain.log_every = 1"];
    let inline = "train = { epochs = 2.0, log_every = 1 }";
    let [section, dotted] = forms.map(|form| Recipe::parse(form, "a.toml").unwrap().to_toml().unwrap());
    assert_eq!(section, dotted);
    assert_eq!(section, Recipe::parse(inline, "a.toml").unwrap().to_toml().unwrap());
}

#[test]
fn the_output_is_named_after_the_recipe_or_else_the_training_file() {
    assert_eq!(plan(&least_and("")).run.output, Path::new("runs/a"));
    let mut recipe = Recipe::new();
    for (key, value) in [("model.path", "m"), ("data.train", "d/reviews.csv"), ("data.text", "t"), ("data.label", "l")]
    {
        recipe.set(key, value, "--set");
    }
    assert_eq!(plan(&recipe).run.output, Path::new("runs/reviews"));
    for (train, output) in [
        ("d/data_full.json#train", "runs/data_full"),
        ("d/train-*.csv.gz", "runs/train"),
        ("d/shards/", "runs/shards"),
        ("d/a.b.csv", "runs/a.b"),
        ("d/*.csv", "runs/run"),
    ] {
        assert_eq!(plan(recipe.set("data.train", train, "--train")).run.output, Path::new(output));
    }
    recipe.set("run.output", "elsewhere", "--output");
    assert_eq!(plan(&recipe).run.output, Path::new("elsewhere"));
}

#[test]
fn choices_read_and_write_one_spelling() {
    let mut recipe = least_and("");
    recipe.set("run.device", "cuda", "--device").set("run.precision", "bf16", "--precision");
    recipe.set("data.format", "tsv-unquoted", "--format").set("evaluation.metric", "f1_macro", "--set");
    let said = plan(&recipe);
    assert_eq!((said.run.device, said.run.precision), (DeviceChoice::Cuda(0), Precision::Bf16));
    assert_eq!((said.data.format, said.evaluation.metric), (DataFormat::TsvUnquoted, SelectionMetric::F1Macro));
    let json = serde_json::to_string(&(said.run.device, said.data.format, said.evaluation.metric)).unwrap();
    assert_eq!(json, r#"["cuda:0","tsv-unquoted","f1_macro"]"#);
    assert_eq!("cuda:12".parse(), Ok(DeviceChoice::Cuda(12)));
    for name in DataFormat::NAMES {
        assert_eq!(name.parse::<DataFormat>().unwrap().to_string(), *name);
    }
}

#[test]
fn a_plan_can_be_kept_as_json() {
    let plan = plan(&least_and("[run]\ndevice = 'cuda:1'\nthreads = 2"));
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    serde_json::from_str::<Plan>(&json.replace("\"seed\"", "\"sead\"")).unwrap_err();
}

#[test]
fn the_table_documents_every_key_once() {
    let mut paths: Vec<_> = keys().iter().map(|key| key.path).collect();
    let mut flags: Vec<_> = keys().iter().filter_map(|key| key.flag).collect();
    let (keys_listed, flags_listed) = (paths.len(), flags.len());
    paths.sort_unstable();
    paths.dedup();
    flags.sort_unstable();
    flags.dedup();
    assert_eq!((paths.len(), flags.len()), (keys_listed, flags_listed));
    for key in keys() {
        assert!(key.doc.ends_with('.') && key.path.matches('.').count() == 1, "{key:?}");
        assert!(key.fallback != Fallback::Required || key.flag.is_some(), "{key:?}");
    }
}

#[test]
fn every_default_is_a_value_that_the_key_allows() {
    // The plan's text says every default, and reading it checks each of them.
    let written = plan(&least_and("")).to_toml();
    let read = Recipe::parse(&written, "plan.toml").unwrap();
    assert_eq!(read.problems(), []);
    let is_unset = |key: &&Key| matches!(key.fallback, Fallback::Unset(_)) && read.origin(key.path).is_none();
    let unset = keys().iter().filter(is_unset).count();
    let said = keys().iter().filter(|key| read.origin(key.path).is_some()).count();
    assert_eq!(said + unset, keys().len());
}
