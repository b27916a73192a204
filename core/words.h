/* words: text cleaned and cut as CLIP's tokenizer wants it, before byte-pair encoding.
   Cleaning: HTML character references resolved twice (OpenAI's cleaning), then what Hugging Face's
   fast CLIPTokenizer does: NFC, lower case. ftfy's repairs of wrongly decoded text are not done. A
   word: one of 's 't 're 've 'm 'll 'd; a run of letters; one digit or other number; a run of
   anything else that is not white space. */
#ifndef HOI_WORDS_H
#define HOI_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define HOI_START_NAME "<|startoftext|>"
#define HOI_END_NAME "<|endoftext|>"

typedef enum hoi_word_kind {
    HOI_WORD_PLAIN,
    HOI_WORD_START, /* the text said <|startoftext|> */
    HOI_WORD_END    /* the text said <|endoftext|> */
} hoi_word_kind;

typedef struct hoi_word {
    hoi_word_kind kind;
    const char *bytes; /* UTF-8, within the cleaned text; not ended by a zero */
    size_t size;
} hoi_word;

/* Gets the cleaned text, to be given to hoi_words_next and then to free(). NULL after hoi_fail: not
   UTF-8 (says at which byte), or no memory. Of HTML's names it knows those of Latin-1, of XML and
   of punctuation; others stay as written. */
char *hoi_words_clean(const char *text);

/* Gets the next word of a cleaned text; `*cursor` begins as the text. False at the end. */
bool hoi_words_next(const char **cursor, hoi_word *word);

#endif
