/* tokenizer: text to ids and back by CLIP's byte-level byte-pair encoding.
   Equal to Hugging Face's fast CLIPTokenizer on a text whose HTML references are resolved first
   (words.h), for every character that libutf8proc's Unicode version knows; OpenAI's own tokenizer
   agrees on plain English. <|startoftext|> and <|endoftext|> in a text become these tokens. A
   character with a byte that the vocabulary lacks is read as '?' (Hugging Face would put its
   unknown token, which is the end token). A tokenizer does not change once made: threads may share
   it. */
#ifndef HOI_TOKENIZER_H
#define HOI_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hoi_tokenizer hoi_tokenizer;

/* Reads a file: Hugging Face's tokenizer.json, or OpenAI's merges (bpe_simple_vocab_16e6.txt, also
   packed as .gz); or what a folder has: vocab.json and merges.txt, tokenizer.json, or these merges.
   NULL after hoi_fail: names the file. */
hoi_tokenizer *hoi_tokenizer_open(const char *path);

/* The same from the texts of vocab.json and merges.txt (ended by a zero); messages call them by the
   labels, or by these names. */
hoi_tokenizer *hoi_tokenizer_build(const char *vocabulary, const char *vocabulary_label,
                                   const char *merges, const char *merges_label);
hoi_tokenizer *hoi_tokenizer_open_memory(const char *vocabulary, const char *merges);

/* The same from the text of tokenizer.json, and from OpenAI's merges: of these at most as many as
   make its 49,408 ids, after 512 symbols and before the two marks. */
hoi_tokenizer *hoi_tokenizer_open_json(const char *text, const char *label);
hoi_tokenizer *hoi_tokenizer_open_merges(const char *text, const char *label);

/* Gets the path of a file in a folder, to be freed; NULL after hoi_fail. */
char *hoi_tokenizer_path(const char *folder, const char *name);

/* Writes the printable name of a byte, inside of a word or at its end; at most 7 letters. */
void hoi_tokenizer_name_byte(int byte, bool at_end, char name[8]);

/* Learns at most `merges` merges from texts: again and again the adjacent pair that occurs most
   often within words, the one of lowest ids among equals; it stops when none occurs twice. The
   alphabet is ASCII as it is after cleaning: the 68 printable characters that are no capitals,
   inside of a word and at its end; so there are 136 + merges + 2 ids, fewer when it stopped, and
   the last is the end token. NULL after hoi_fail. */
hoi_tokenizer *hoi_tokenizer_learn(const char *const *texts, size_t count, int merges);

/* Drops it. NULL is fine. */
void hoi_tokenizer_free(hoi_tokenizer *tokenizer);

/* Writes vocab.json and merges.txt as Hugging Face has them; makes the folder, not its parents. */
bool hoi_tokenizer_save(const hoi_tokenizer *tokenizer, const char *folder);

/* Gets the number of ids, and the ids of <|startoftext|> and <|endoftext|>. */
int hoi_tokenizer_size(const hoi_tokenizer *tokenizer);
int hoi_tokenizer_start(const hoi_tokenizer *tokenizer);
int hoi_tokenizer_end(const hoi_tokenizer *tokenizer);

/* Gets the ids of a text between start and end, as many as it takes, in `*ids` (to be freed) and
   `*count`. Fails for a text that is not UTF-8. */
bool hoi_tokenizer_encode(const hoi_tokenizer *tokenizer, const char *text, int **ids, int *count);

/* Encodes texts into rows: ids (count, context), filled up with the end token; eot (count) gets the
   place of the first end token in each row, where CLIP reads its feature. A text that needs more
   than `context` ids is cut, its last id the end token, if `truncate`; else it fails, saying the
   text and its length. */
bool hoi_tokenizer_batch(const hoi_tokenizer *tokenizer, const char *const *texts, size_t count,
                         int context, bool truncate, int32_t *ids, int32_t *eot);

/* Gets the text of ids, to be freed: start and end tokens left out, a space between words. It ends
   with a zero; `*size` bytes before it, which ids of parts of characters can make other than UTF-8.
   NULL after hoi_fail: id out of range. */
char *hoi_tokenizer_decode(const hoi_tokenizer *tokenizer, const int *ids, int count, size_t *size);

#endif
