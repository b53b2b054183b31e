//! The text of every message. Each snapshot holds the messages of several recipes, one after the other.

use expect_test::{Expect, expect};
use retune_recipe::{DataFormat, DeviceChoice, Recipe, RecipeError};

use crate::least_and;

/// The messages of whole recipes.
fn check(texts: &[&str], expect: Expect) {
    let resolve = |text: &&str| Recipe::parse(text, "a.toml").and_then(|recipe| recipe.resolve());
    check_errors(texts.iter().map(|text| resolve(text).unwrap_err()), expect);
}

/// The messages of the least recipe with more lines, the first of which is line 6.
fn check_more(texts: &[&str], expect: Expect) {
    check_errors(texts.iter().map(|more| least_and(more).resolve().unwrap_err()), expect);
}

/// The messages of the least recipe with one `--set`.
fn check_set(assignments: &[&str], expect: Expect) {
    check_errors(assignments.iter().map(|set| least_and("").set_assignment(set).resolve().unwrap_err()), expect);
}

fn check_errors(errors: impl IntoIterator<Item = RecipeError>, expect: Expect) {
    expect.assert_eq(&errors.into_iter().map(|error| format!("{error}\n")).collect::<String>());
}

#[test]
fn an_unknown_key_names_the_nearest() {
    check_more(
        &[
            "[train]\nepoch = 3",
            "[train]\n\nBatch-Size = 3",
            "[train]\nseed = 3",
            "[train]\nnum_train_epochs = 3",
            "[train]\nwarmup_fraction = 0.1",
            "[train]\nadam_beta1 = 0.9",
            "[evaluation]\nbatchsize = 3",
            "[run]\nzebra = 3",
        ],
        expect![[r#"
            a.toml:7: unknown key 'train.epoch'; did you mean 'train.epochs'?
            a.toml:8: unknown key 'train.Batch-Size'; did you mean 'train.batch_size'?
            a.toml:7: unknown key 'train.seed'; did you mean 'run.seed'?
            a.toml:7: unknown key 'train.num_train_epochs'; did you mean 'train.epochs'?
            a.toml:7: unknown key 'train.warmup_fraction'; did you mean 'schedule.warmup_fraction'?
            a.toml:7: unknown key 'train.adam_beta1'; did you mean 'optimizer.beta1'?
            a.toml:7: unknown key 'evaluation.batchsize'; did you mean 'evaluation.batch_size'?
            a.toml:7: unknown key 'run.zebra'; there are run.output, run.seed, run.device, run.precision, run.threads, run.tensorboard
        "#]],
    );
    check(
        &["epochs = 3\n[model]\npath = 'm'\n[data]\ntrain='t'\ntext='a'\nlabel='b'"],
        expect![[r#"
        a.toml:1: unknown key 'epochs'; did you mean 'train.epochs'?
    "#]],
    );
}

#[test]
fn an_unknown_section_names_the_nearest_and_its_keys_are_not_missing() {
    check(
        &["[modle]\npath = 'm'\n[data]\ntrain='t'\ntext='a'\nlabel='b'"],
        expect![[r#"
        a.toml:1: unknown section [modle]; did you mean [model]?
    "#]],
    );
    check_more(
        &["[zebra]\na = 1\nb = 2", "train = 3", "[[train]]\nepochs = 3"],
        expect![[r#"
            a.toml:6: unknown section [zebra]; there are [model], [task], [data], [few_shot], [train], [optimizer], [schedule], [regularization], [adapter], [checkpoint], [evaluation], [run]
            a.toml:6: 'train' must be a section, begun by the line [train]; found a value
            a.toml:6: 'train' must be a section, begun by the line [train]; found a list of tables
        "#]],
    );
}

#[test]
fn every_problem_is_named_at_once() {
    let text = r#"
[model]
paht = "m"
[data]
train = "train.csv"
text = ["a", "b", "c"]
format = "tvs"
max_length = 12.5
[train]
epochs = -1
learning_rate = "fast"
"#;
    check(
        &[text],
        expect![[r#"
            a.toml:3: unknown key 'model.paht'; did you mean 'model.path'?
            a.toml:7: 'data.format' must be auto, csv, tsv, tsv-unquoted, json, jsonl, parquet, arrow, text, conll or squad; found "tvs"; did you mean 'tsv'?
            a.toml:8: 'data.max_length' must be a whole number, at least 3; found the number 12.5
            a.toml:10: 'train.epochs' must be a number above 0; found -1
            a.toml:11: 'train.learning_rate' must be a number above 0 and at most 1; found the text "fast"
            a.toml: missing required key 'data.label' (The column that holds the label: a class, classes, a number, tags, answers, or the right choice): write it in the recipe, or give --label
            a.toml:6: 'data.text' must be 1 or 2 columns where 'task.kind' is classification; found 3
        "#]],
    );
}

#[test]
fn what_is_missing_is_named() {
    check(
        &[""],
        expect![[r#"
            a.toml: missing required key 'model.path' (The pretrained model: a folder, or a name on the Hugging Face Hub such as org/name): write it in the recipe, or give --model
            a.toml: missing required key 'data.train' (The examples to train on: a file, a folder or a pattern of files, an array of a document (data.json#train), or a data set on the Hugging Face Hub (hub:org/name, hub:org/name:config@revision#split)): write it in the recipe, or give --train
            a.toml: missing required key 'data.text' (The column that holds the text, or the columns of a pair (or, for embeddings, a triplet) of texts; a.b names a nested field): write it in the recipe, or give --text
            a.toml: missing required key 'data.label' (The column that holds the label: a class, classes, a number, tags, answers, or the right choice): write it in the recipe, or give --label
        "#]],
    );
    check_errors(
        [Recipe::new().set("data.text", "t", "--text").resolve().unwrap_err()],
        expect![[r#"
            missing required key 'model.path' (The pretrained model: a folder, or a name on the Hugging Face Hub such as org/name): write it in the recipe, or give --model
            missing required key 'data.train' (The examples to train on: a file, a folder or a pattern of files, an array of a document (data.json#train), or a data set on the Hugging Face Hub (hub:org/name, hub:org/name:config@revision#split)): write it in the recipe, or give --train
            missing required key 'data.label' (The column that holds the label: a class, classes, a number, tags, answers, or the right choice): write it in the recipe, or give --label
        "#]],
    );
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    check_more(
        &[
            "train.epochs = true",
            "train.batch_size = 32.0",
            "model.offline = 'yes'",
            "run.output = 3",
            "run.output = { path = 3 }",
            "run.device = 0",
            "run.seed = 2024-01-01",
            "train.epochs = [\n  1,\n  2,\n]",
            &format!("train.epochs = '{}'", "é".repeat(100)),
        ],
        expect![[r#"
            a.toml:6: 'train.epochs' must be a number above 0; found true
            a.toml:6: 'train.batch_size' must be a whole number, at least 1; found the number 32.0
            a.toml:6: 'model.offline' must be true or false; found the text "yes"
            a.toml:6: 'run.output' must be a path; found the number 3
            a.toml:6: 'run.output' must be a path; found a table
            a.toml:6: 'run.device' must be auto, cpu, cuda or cuda:N; found the number 0
            a.toml:6: 'run.seed' must be a whole number, at least 0; found the date 2024-01-01
            a.toml:6: 'train.epochs' must be a number above 0; found the list [1, 2,]
            a.toml:6: 'train.epochs' must be a number above 0; found the text "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…
        "#]],
    );
}

#[test]
fn a_value_out_of_range_says_the_range() {
    check_more(
        &[
            "train.epochs = 0",
            "train.epochs = nan",
            "train.epochs = inf",
            "train.batch_size = 0",
            "train.learning_rate = 5e5",
            "optimizer.beta2 = 1",
            "schedule.warmup_fraction = 1.5",
            "data.validation_fraction = 1.0",
            "train.weight_decay = -0.1",
            "run.seed = -1",
            "run.output = ''",
            "evaluation.metric = 'f1'",
            "[run]\nprecision = 'fp8'\ndevice = 'gpu'",
            "run.device = 'cuda:+1'",
        ],
        expect![[r#"
            a.toml:6: 'train.epochs' must be a number above 0; found 0
            a.toml:6: 'train.epochs' must be a number above 0; found nan
            a.toml:6: 'train.epochs' must be a number above 0; found inf
            a.toml:6: 'train.batch_size' must be a whole number, at least 1; found 0
            a.toml:6: 'train.learning_rate' must be a number above 0 and at most 1; found 500000.0
            a.toml:6: 'optimizer.beta2' must be a number of at least 0 and below 1; found 1
            a.toml:6: 'schedule.warmup_fraction' must be a number from 0 to 1; found 1.5
            a.toml:6: 'data.validation_fraction' must be a number above 0 and below 1; found 1.0
            a.toml:6: 'train.weight_decay' must be a number of zero or more; found -0.1
            a.toml:6: 'run.seed' must be a whole number, at least 0; found -1
            a.toml:6: 'run.output' must be a path that is not empty; found ""
            a.toml:6: 'evaluation.metric' must be accuracy, f1_macro, mcc or loss where 'task.kind' is classification; found f1
            a.toml:7: 'run.precision' must be fp32, bf16, fp16 or tf32; found "fp8"
            a.toml:8: 'run.device' must be auto, cpu, cuda or cuda:N; found "gpu"; did you mean 'cuda'?
            a.toml:6: 'run.device' must be auto, cpu, cuda or cuda:N; found "cuda:+1"; did you mean 'cuda'?
        "#]],
    );
}

#[test]
fn the_ends_of_a_range_are_allowed_or_not_as_it_says() {
    for (ends, allowed) in [
        (
            [
                "train.weight_decay=0",
                "train.max_grad_norm=0",
                "schedule.warmup_fraction=0",
                "schedule.warmup_fraction=1",
            ],
            true,
        ),
        (["train.learning_rate=1", "optimizer.beta1=0", "evaluation.bootstrap_samples=0", "run.seed=0"], true),
        (["train.learning_rate=0", "optimizer.epsilon=0", "data.validation_fraction=0", "data.max_length=2"], false),
    ] {
        for end in ends {
            assert_eq!(least_and("").set_assignment(end).resolve().is_ok(), allowed, "{end}");
        }
    }
}

#[test]
fn problems_are_listed_by_line_then_flags() {
    let mut recipe = least_and("run.seed = 'a'\ntrain.epochs = 'b'\nrun.threads = 'c'");
    recipe.set("model.offline", "d", "--offline");
    check_errors(
        [recipe.resolve().unwrap_err()],
        expect![[r#"
        a.toml:6: 'run.seed' must be a whole number, at least 0; found the text "a"
        a.toml:7: 'train.epochs' must be a number above 0; found the text "b"
        a.toml:8: 'run.threads' must be a whole number, at least 1; found the text "c"
        --offline: 'model.offline' must be true or false; found the text "d"
    "#]],
    );
}

#[test]
fn columns_are_one_or_two_different_names() {
    check_set(
        &["data.text=[]", "data.text=[\"a\", \"a\"]", "data.text=[1]", "data.text="],
        expect![[r#"
            --set data.text: 'data.text' must be the name of one column or a list of up to three different ones; found []
            --set data.text: 'data.text' must be the name of one column or a list of up to three different ones; found ["a", "a"]
            --set data.text: 'data.text' must be the name of one column or a list of up to three; found the list [1]
            --set data.text: 'data.text' must be the name of one column or a list of up to three different ones; found ""
        "#]],
    );
}

#[test]
fn names_of_columns_are_any_number_of_different_ones() {
    let mut recipe = least_and("data.columns = ['sentence', 'label', 'id']");
    let names = |recipe: &Recipe| recipe.resolve().unwrap().data.columns.unwrap().join("|");
    assert_eq!(names(&recipe), "sentence|label|id");
    assert_eq!(names(recipe.set_list("data.columns", &["a,b", "c"], "--columns")), "a,b|c");
    assert_eq!(names(recipe.set("data.columns", "only", "--set")), "only");
    check_set(
        &["data.columns=[]", "data.columns=[\"a\", \"b\", \"a\"]", "data.columns=[1]", "data.columns="],
        expect![[r#"
            --set data.columns: 'data.columns' must be the name of one column or a list of different ones; found []
            --set data.columns: 'data.columns' must be the name of one column or a list of different ones; found ["a", "b", "a"]
            --set data.columns: 'data.columns' must be the name of one column or a list of names; found the list [1]
            --set data.columns: 'data.columns' must be the name of one column or a list of different ones; found ""
        "#]],
    );
}

#[test]
fn contradictions_name_both_places() {
    check_more(
        &["data.test = 'train.csv'\ndata.validation = 'train.csv'"],
        expect![[r#"
        'data.train' (a.toml:3) and 'data.validation' (a.toml:7) contradict each other: what is measured on the training examples says nothing of new ones; name another file
        'data.train' (a.toml:3) and 'data.test' (a.toml:6) contradict each other: what is measured on the training examples says nothing of new ones; name another file
    "#]],
    );
    check_errors(
        [least_and("").set_list("data.text", &["a", "label"], "--text").resolve().unwrap_err()],
        expect![[r#"
            'data.text' (--text) and 'data.label' (a.toml:5) contradict each other: a model that reads the label has nothing to learn; name another column
        "#]],
    );
}

#[test]
fn text_that_is_not_toml_names_its_line() {
    check(
        &["[model]\npath = \n", "[model]\npath = 'a'\npath = 'b'", "[model]\n[data]\n[model]", "[model\n"],
        expect![[r#"
            a.toml:2: not TOML: string values must be quoted, expected literal string
            a.toml:3: not TOML: duplicate key
            a.toml:3: not TOML: duplicate key
            a.toml:1: not TOML: unclosed table, expected `]`
        "#]],
    );
}

#[test]
fn a_wrong_flag_is_named() {
    check_set(
        &["train.epoch=3", "train.epochs", "train.epochs=many", "run.seed=18446744073709551615", "run.device=cdua"],
        expect![[r#"
            --set train.epoch: unknown key 'train.epoch'; did you mean 'train.epochs'?
            --set train.epochs: expected KEY=VALUE, as in --set train.epochs=5
            --set train.epochs: 'train.epochs' must be a number above 0; found the text "many"
            --set run.seed: 'run.seed' must be a whole number, at least 0; found the text "18446744073709551615"
            --set run.device: 'run.device' must be auto, cpu, cuda or cuda:N; found "cdua"; did you mean 'cuda'?
        "#]],
    );
    check_errors(
        [least_and("").set("run.precision", "bf-16", "--precision").resolve().unwrap_err()],
        expect![[r#"
        --precision: 'run.precision' must be fp32, bf16, fp16 or tf32; found "bf-16"; did you mean 'bf16'?
    "#]],
    );
}

#[test]
fn a_recipe_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("latin1.toml"), b"[model]\n# caf\xe9\n").unwrap();
    let messages = ["none.toml", "latin1.toml", "."].map(|name| {
        let error = Recipe::from_file(folder.path().join(name)).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "FOLDER")
    });
    expect![[r#"
        FOLDER/none.toml: cannot read the recipe: No such file or directory (os error 2)
        FOLDER/latin1.toml: cannot read the recipe: line 2 is not UTF-8; save the file in that encoding
        FOLDER/.: cannot read the recipe: Is a directory (os error 21)"#]]
    .assert_eq(&messages.join("\n"));
}

#[test]
fn choices_say_what_there_is() {
    let errors = [
        "gpu".parse::<DeviceChoice>().unwrap_err(),
        "CUDA".parse::<DeviceChoice>().unwrap_err(),
        "cuda:99999999999999999999".parse::<DeviceChoice>().unwrap_err(),
        "tsv_unquoted".parse::<DataFormat>().unwrap_err(),
    ];
    expect![[r#"
        expected auto, cpu, cuda or cuda:N, found 'gpu'; did you mean 'cuda'?
        expected auto, cpu, cuda or cuda:N, found 'CUDA'; did you mean 'cuda'?
        expected auto, cpu, cuda or cuda:N, found 'cuda:99999999999999999999'; did you mean 'cuda'?
        expected auto, csv, tsv, tsv-unquoted, json, jsonl, parquet, arrow, text, conll or squad, found 'tsv_unquoted'; did you mean 'tsv-unquoted'?"#]].assert_eq(&errors.map(|error| error.to_string()).join("\n"));
}
