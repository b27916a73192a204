"""Makes tests/golden/tokenizer.json: what Hugging Face's fast CLIPTokenizer says to many strings.

    pip install transformers tokenizers
    python tests/golden_tokenizer.py ../shared/data/tokenizer

The folder holds CLIP's vocab.json and merges.txt. HTML references are resolved by Python's own
html.unescape, twice, before the text goes in. A second part learns a small vocabulary in the
plainest way, and asks the same tokenizer, opened on it, for ids.
"""
import html
import json
import pathlib
import sys
import tempfile
from collections import Counter

from transformers import CLIPTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent

PLAIN = """a diagram
hello world
a photo of a dog.
X X X X
a photo of a yorkshire terrier, a type of pet.
a centered satellite photo of Annual Crop Land.
banded texture.
a photo of a 747-400, a type of aircraft.
a photo of a person riding a horse.
a photo of a person standing on a surfboard.
a photo of a person and an airplane.
itap of a {}.
The quick brown fox jumps over the lazy dog
PERSON HOLDING UMBRELLA
CamelCaseWords mixedUP
antidisestablishmentarianism
supercalifragilisticexpialidocious
pneumonoultramicroscopicsilicovolcanoconiosis
xqzjvkw
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
abababababababababababab
the theatre there then them
don't won't can't shouldn't've
it's he's she's that's
I'm you're we've they'll he'd
'tis 'twas o'clock rock'n'roll
'S 'T 'RE 'VE 'M 'LL 'D
the dogs' bones, James's hat
''s '''t !'s "'re
's't're've'm'll'd
'sam 'really 'very 'more 'llama 'dog 'tea
' '' ''' ''''
it\u2019s a curly apostrophe, isn\u2019t it
`backticks` and \u00b4acutes\u00b4
0 1 12 123 1234 12345
3.14159 -2.5e10 0xFF 1,000,000
2024-01-31T12:34:56Z
1st 2nd 3rd 4th 100%
a1b2c3 4x4 mp3 h2o
50% off! $9.99 \u20ac5 \u00a33 \u00a5100
\u00bd cup, \u00bc inch, x\u00b2 + y\u00b3
\u2160 \u2163 \u2167 \u217b roman
\u0661\u0662\u0663 arabic-indic digits
\u0967\u0968\u0969 devanagari digits
\uff11\uff12\uff13 full-width digits
\u2460\u2461\u2462 \u2776 \u3220 circled
\U0001d7ce\U0001d7cf\U0001d7d0 mathematical digits
snake_case_name __init__ _x_ _
a-b a--b a---b -- ---
what?! no!!! ... \u2026 \u2014 \u2013
(a) [b] {c} <d> |e|
a/b\\c a:b;c a,b.c
user@example.com https://example.com/a?b=c&d=e#f
#hashtag @mention ~tilde^caret
C++ C# F# .NET node.js
\u00a9 \u00ae \u2122 \u00a7 \u00b6 \u2020 \u2021 \u2022
\u2190\u2191\u2192\u2193 \u21d2 \u2194
\u2200x\u2203y: x\u2264y \u2227 y\u2265x \u2260 \u221e
\u222b f(x) dx = \u2211 a\u2099
caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00fcber
cafe\u0301 nai\u0308ve re\u0301sume\u0301 u\u0308ber
CAF\u00c9 NA\u00cfVE R\u00c9SUM\u00c9 \u00dcBER
CAFE\u0301 NAI\u0308VE U\u0308BER
\u00e5ngstr\u00f6m \u212bngstr\u00f6m A\u030angstro\u0308m
\u1e69 s\u0323\u0307 s\u0307\u0323 \u1e63\u0307
\u01d5 U\u0308\u0304 \u01d6
q\u0307\u0323 q\u0323\u0307
Z\u0351\u036f\u0343a\u0331\u0323l\u030dg\u0328o\u0334 text
\u0301leading mark
a \u0301 lone mark
stra\u00dfe STRASSE \u1e9e
\u00c6sop \u0152uvre \u00d8re \u00deor \u00d0
\u0141\u00f3d\u017a \u015bwi\u0119to \u017c\u00f3\u0142w
P\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148
\u0130stanbul I\u0307stanbul \u0131l\u0131k
\u017ft \u017f long s
\u01c4 \u01c5 \u01c6 \u01f1
\ufb01sh o\ufb03ce \ufb05
\u1d2c\u1d2e \u02b0\u02b7 modifiers
\u00aa \u00ba ordinals
\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5
\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c2
\u1f08\u03b8\u1fc6\u03bd\u03b1\u03b9 \u1f88 \u1f80
\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440
\u0419\u043e\u0433\u0443\u0440\u0442 \u0418\u0306\u043e\u0433\u0443\u0440\u0442
\u0404\u0432\u0440\u043e\u043f\u0430 \u0407\u0436\u0430\u043a \u0490\u0430\u043d\u043e\u043a
\u0531\u0580\u0587 \u0540\u0561\u0575
\u10d2\u10d0\u10db\u10d0\u10e0 \u1c92\u1c90\u1c9b
\u13a0\u13a1 \uab70
\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd
\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd
\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645
\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627
\u200f\u0645\u0631\u062d\u0628\u0627\u200e left right marks
\u0641\u0627\u0631\u0633\u06cc \u06f1\u06f2\u06f3
\u0627\u0631\u062f\u0648
\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e
\u0915\u093c \u0958 \u0929
\u09ac\u09be\u0982\u09b2\u09be \u09cb
\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd \u0b94
\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01
\u0f56\u0f7c\u0f51\u0f0b\u0f66\u0f90\u0f51
\u1019\u103c\u1014\u103a\u1019\u102c
\u1798\u17c0\u1793
\u12a0\u121b\u122d\u129b
\u4f60\u597d\u4e16\u754c
\u4eba\u9a91\u9a6c
\u4e00\u4e2a\u4eba\u5728\u51b2\u6d6a\u3002
\u7e41\u9ad4\u4e2d\u6587 \u7b80\u4f53\u4e2d\u6587
\u3053\u3093\u306b\u3061\u306f\u4e16\u754c
\u30b3\u30f3\u30d4\u30e5\u30fc\u30bf\u30fc
\u304b\u3099 \u304c \u30cf\u309a \u30d1
\uff76\uff9e\uff8a\uff9f half width
\uc548\ub155\ud558\uc138\uc694
\u1112\u1161\u11ab\u1100\u1173\u11af \ud55c\uae00
\ufeffbyte order mark
\u3001\u3002\u300c\u300d\u30fb
\uff21\uff22\uff23 \uff41\uff42\uff43 full width
\u2f00 \uf900 \ufa0e compatibility
\U00020000 \U0002f800 supplementary
\U0001f600
\U0001f436 dog
I \u2764\ufe0f you
\u2764 \u2764\ufe0e \u2764\ufe0f
\U0001f44d\U0001f3fd thumbs
\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family
\U0001f1eb\U0001f1f7\U0001f1ef\U0001f1f5 flags
\U0001f3f3\ufe0f\u200d\U0001f308
1\ufe0f\u20e3 2\u20e3
\U0001f602\U0001f602\U0001f602 so funny \U0001f923
\U0001f525fire\U0001f525
\u00af\\_(\u30c4)_/\u00af
(\u256f\u00b0\u25a1\u00b0)\u256f\ufe35 \u253b\u2501\u253b
:-) ;-) :D <3 xD
\U0001d400\U0001d41a mathematical letters
\U00010400\U00010428 deseret
\U00010330 gothic
\U0001d160 musical
\u0344 \u0374 \u037e \u2126 \u212a singletons
\u2000\u2001 quads
\u1e0b\u0323 \u0344
&lt;3 na\u00efve
AT&T R&D Q&A
AT&amp;T R&amp;D
&amp;amp; &amp;lt; &amp;amp;lt;
&quot;quoted&quot; &#39;single&#39; &apos;apos&apos;
caf&eacute; na&iuml;ve &Uuml;ber
a&nbsp;b &nbsp;&nbsp; c
&copy; 2020 &reg; &trade; &euro;5
5 &lt; 6 &gt; 4 &le; 7
&#65;&#66;&#x43;&#X44;
&#128512; &#x1F436;
&#8217; &#146; &#128;
&#0; &#xD800; &#x110000; &#99999999999;
&#1; &#x7f; &#xFFFE; &#11; &#12;
&#9;tab &#10;line &#13;return
&ampx &ltb &gtc &quotd &copyright &eacutes
&notit &anentity; &bogus; & ; &; &# &#x &#x; &#;
&lt;b&gt;bold&lt;/b&gt;
<b>bold</b> <br/> <a href="x">y</a>
&mdash; &ndash; &hellip; &lsquo;x&rsquo; &ldquo;y&rdquo;
<|startoftext|>
<|endoftext|>
<|startoftext|>a dog<|endoftext|>
a <|startoftext|> b <|endoftext|> c
a<|endoftext|>b<|startoftext|>c
<|STARTOFTEXT|> <|ENDOFTEXT|>
<|StartOfText|>x
!<|startoftext|>! !<|endoftext|>!
<|startoftext <|endoftext| |endoftext|>
<start_of_text> <end_of_text>
&lt;|endoftext|&gt;
<|endoftext|><|endoftext|>
e<|endoftext|>\u0301
</w> a</w> the</w>
\u0120a \u010a
[CLS] [SEP] <s> </s> <unk> <pad>""".split("\n")

SPACES = [
    "", " ", "   ", "\t", "\n", "\r\n", " \t\n\r\f\v ", "  a  ", "a  b", "a\tb", "a\nb\n", "a\r\nb",
    "it's   a Caf\u00e9! 123", "\u00a0a\u00a0b\u00a0", "a\u3000b", "a\u2003b\u2009c\u202fd\u205fe",
    "a\u2028b\u2029c", "a\u0085b", "a\u1680b", "a\u180eb", "a\u200bb", "a\u2060b", "a\ufeffb",
    "a\u200cb\u200dc", "soft\u00adhyphen", "\x01", "\x01\x02\x03", "\x1b[31mred\x1b[0m", "a\x7fb",
    "\x1c\x1d\x1e\x1f", "a\x08b", "\u0080\u009f", "\ufffd", "\ufffe \uffff",
    "\ue000 private", "\U000f0000", "\U0010ffff", "\u0378 unassigned", "\u2065",
    "x" * 300, "." * 300,
    "ha" * 100, "1" * 100, "\U0001f600" * 40, "\u4eba" * 80, "!?" * 64, "a" + "\u0301" * 20,
    "a photo of a person " * 16, " ".join("word%d" % i for i in range(80)),
    " ".join(["the"] * 80), " ".join(chr(97 + i % 26) * (i % 9 + 1) for i in range(90)),
    "".join(map(chr, range(33, 127))), "".join(map(chr, range(0xA0, 0x100))),
    "".join(map(chr, range(0x100, 0x180))), "".join(map(chr, range(0x370, 0x400, 3))),
    "".join(map(chr, range(0x400, 0x460))), " ".join(map(chr, range(0x2010, 0x2040))),
    "".join(map(chr, range(0x1F600, 0x1F640))), "".join(map(chr, range(0x1E00, 0x1E80))),
]

CORPUS = """A photo of a person riding a horse.
a photo of a person holding a horse.
A photo of a person riding a bicycle, on the road
a person is sitting on a chair; the chair's legs are red
the person's hat: isn't it red? It's red!
a drawing of a person kicking a ball (1 ball, 2 people)
two people holding one umbrella... and 12 balls
ABABAB ababab bababa aabb
caf\u00e9 caf\u00e9 \u4eba \u4eba na\u00efve <|startoftext|> &lt;3 &lt;3
aaaa aaaaaa aaaaaaaaa""".split("\n")

ASKED = CORPUS + """a horse riding a person
THE LEGS' CHAIR IS READ
a photo of a photographer, photographed
unseen quizzical jukebox 987
'''...!!! -- ~^ [x] {y} |z| a_b
abcabcabc bababababa aaaaaaaaaaaaa
<|startoftext|>x<|endoftext|> y""".split("\n")
ASKED = [text for text in ASKED if text.isascii()]


def cleaned(text):
    return html.unescape(html.unescape(text))


def learn(texts, merges, words_of):
    """Sennrich's loop over whole words: nothing clever, ties to the lowest pair of ids."""
    letters = [chr(c) for c in range(33, 127) if not 65 <= c <= 90]
    names = letters + [c + "</w>" for c in letters]
    words = Counter()
    for text in texts:
        for word in words_of(text):
            word = [c if c in letters else "?" for c in word]
            words[tuple(names.index(c) for c in word[:-1]) + (names.index(word[-1] + "</w>"),)] += 1
    done = []
    for _ in range(merges):
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            break
        name = names[best[0]] + names[best[1]]
        if name not in names:
            names.append(name)
        product = names.index(name)
        done.append(f"{names[best[0]]} {names[best[1]]}")
        after = Counter()
        for word, count in words.items():
            new, i = [], 0
            while i < len(word):
                both = word[i:i + 2] == best
                new.append(product if both else word[i])
                i += 2 if both else 1
            after[tuple(new)] += count
        words = after
    return names + ["<|startoftext|>", "<|endoftext|>"], done


def main():
    tokenizer = CLIPTokenizerFast.from_pretrained(sys.argv[1])
    parts = tokenizer.backend_tokenizer

    def words_of(text):
        text = cleaned(text).replace("<|startoftext|>", " ")
        text = parts.normalizer.normalize_str(text)
        return [text[begin:end] for _, (begin, end) in parts.pre_tokenizer.pre_tokenize_str(text)]

    strings = PLAIN + SPACES
    assert len(strings) >= 200 and len(set(strings)) == len(strings), len(strings)
    golden = [{"text": text, "ids": tokenizer(cleaned(text))["input_ids"]} for text in strings]

    merges = 90
    names, done = learn(CORPUS, merges, words_of)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2"] + done) + "\n")
        small = CLIPTokenizerFast.from_pretrained(folder)
        learned = {"corpus": CORPUS, "merges": merges, "learned": done, "size": len(names),
                   "strings": [{"text": text, "ids": small(cleaned(text))["input_ids"]}
                               for text in ASKED]}
    with open(HERE / "golden" / "tokenizer.json", "w", encoding="utf-8") as file:
        part = ",\n".join(json.dumps(one, separators=(",", ":")) for one in golden)
        file.write('{"strings":[\n%s\n],\n"small":%s}\n' % (part, json.dumps(learned)))
    print(len(golden), "strings;", len(done), "merges learned,", len(names), "ids")


if __name__ == "__main__":
    main()
