"""Hugging Face folders of random weights, one maker a family. Separate from the other forms because each family has a
configuration and tokenizer files of its own; a tokenizer here only has as many tokens as the model takes."""
import json
import os

# name -> family, layers, hidden, feed-forward, heads
SHAPES = {
    "minilm-l6": ("bert", 6, 384, 1536, 12),
    "minilm-l12": ("bert", 12, 384, 1536, 12),
    "bert-base": ("bert", 12, 768, 3072, 12),
    "distilroberta-base": ("roberta", 6, 768, 3072, 12),
    "deberta-v3-small": ("deberta-v2", 6, 768, 3072, 12),
    "modernbert-base": ("modernbert", 22, 768, 1152, 12),
}
# The shapes that the project's bars speak of, and what is measured when nothing is asked for.
BERT_SHAPES = [name for name, shape in SHAPES.items() if shape[0] == "bert"]
CLASSES = 4
SEED = 20240517


def operations(model, tokens):
    """Operations of one text's matrix products: projections, feed-forward, attention, pooler, classes. Windows of
    ModernBERT's attention count as whole: the runtimes here take them as a mask."""
    family, layers, hidden, inner, _ = SHAPES[model]
    matrices = 3 if family == "modernbert" else 2  # a gated feed-forward has one more
    products = 4 if family == "deberta-v2" else 2  # content to position and back, beside scores and context
    layer = 2 * tokens * (4 * hidden * hidden + matrices * hidden * inner) + 2 * products * tokens * tokens * hidden
    return layers * layer + 2 * hidden * hidden + 2 * hidden * CLASSES


def make(model, target):
    """Writes the folder's files into `target`."""
    import torch

    family, layers, hidden, inner, heads = SHAPES[model]
    torch.manual_seed(SEED)
    size = dict(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
        num_labels=CLASSES)
    network = FAMILIES[family](target, size)
    network.eval().save_pretrained(target, safe_serialization=True)


def make_bert(target, size):
    from transformers import BertConfig, BertForSequenceClassification

    vocabulary = 30522
    words = ["[PAD]"] + [f"[unused{i}]" for i in range(99)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [chr(c) for c in range(33, 127)] + ["##" + chr(c) for c in range(97, 123)]
    words += made_up_words(vocabulary - len(words))
    with open(os.path.join(target, "vocab.txt"), "w") as file:
        file.write("\n".join(words) + "\n")
    return BertForSequenceClassification(BertConfig(
        vocab_size=vocabulary, max_position_embeddings=512, type_vocab_size=2, hidden_act="gelu", **size))


def make_roberta(target, size):
    from transformers import RobertaConfig, RobertaForSequenceClassification

    vocabulary = 50265
    write(target, "vocab.json", byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], vocabulary))
    with open(os.path.join(target, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n")
    write(target, "tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512})
    return RobertaForSequenceClassification(RobertaConfig(
        vocab_size=vocabulary, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
        eos_token_id=2, layer_norm_eps=1e-5, **size))


def make_deberta(target, size):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    words = ["▁"] + ["▁" + word for word in made_up_words(128000 - len(specials) - 1)]
    tokenizer = Tokenizer(models.Unigram([(word, 0.0) for word in specials] + [(word, -10.0) for word in words], 3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    write_tokenizer(target, tokenizer, specials, "DebertaV2Tokenizer", 512)
    return DebertaV2ForSequenceClassification(DebertaV2Config(
        vocab_size=128100, max_position_embeddings=512, type_vocab_size=0, layer_norm_eps=1e-7,
        relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True,
        pos_att_type=["p2c", "c2p"], position_biased_input=False, **size))


def make_modernbert(target, size):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import ModernBertConfig, ModernBertForSequenceClassification

    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    vocabulary = 50368
    tokenizer = Tokenizer(models.BPE(vocab=byte_pairs(specials, vocabulary), merges=[]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    write_tokenizer(target, tokenizer, specials, "PreTrainedTokenizerFast", 8192)
    return ModernBertForSequenceClassification(ModernBertConfig(
        vocab_size=vocabulary, pad_token_id=3, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2, **size))


FAMILIES = {"bert": make_bert, "roberta": make_roberta, "deberta-v2": make_deberta, "modernbert": make_modernbert}


def made_up_words(count):
    return [f"w{i:06d}" for i in range(count)]


def byte_pairs(specials, count):
    """A vocabulary of byte-level pieces: every byte, and words that no merge makes."""
    from tokenizers import pre_tokenizers

    words = specials + sorted(pre_tokenizers.ByteLevel.alphabet())
    return {word: number for number, word in enumerate(words + made_up_words(count - len(words)))}


def write_tokenizer(target, tokenizer, specials, name, limit):
    """tokenizer.json for [CLS] text [SEP], and the settings beside it."""
    from tokenizers.processors import TemplateProcessing

    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    tokenizer.add_special_tokens(specials)
    tokenizer.save(os.path.join(target, "tokenizer.json"))
    tokens = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    write(target, "tokenizer_config.json", {"tokenizer_class": name, "model_max_length": limit, **tokens})


def write(target, name, value):
    with open(os.path.join(target, name), "w") as file:
        json.dump(value, file)
