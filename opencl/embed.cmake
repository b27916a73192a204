# Writes one assembler file that holds other files and their table (core/embedded.c reads it).
#   cmake -DROOT=<source folder> -DLIST=<file with one path per line, relative to ROOT> -DOUTPUT=<file.S> -P embed.cmake
file(STRINGS "${LIST}" names)
list(SORT names)
set(data "")
set(table "")
set(place 0)
foreach(name IN LISTS names)
    string(APPEND data
        ".Lname${place}: .asciz \"${name}\"\n"
        ".balign 64\n.Lbegin${place}: .incbin \"${ROOT}/${name}\"\n.Lend${place}: .byte 0\n")
    string(APPEND table ".quad .Lname${place}, .Lbegin${place}, .Lend${place}\n")
    math(EXPR place "${place} + 1")
endforeach()
file(WRITE "${OUTPUT}"
    "/* Made by embed.cmake. */\n"
    ".section .rodata\n${data}"
    ".section .data.rel.ro, \"aw\"\n.balign 8\n"
    ".globl hoi_embedded_files\n.type hoi_embedded_files, %object\n"
    "hoi_embedded_files:\n${table}.quad 0, 0, 0\n"
    ".size hoi_embedded_files, . - hoi_embedded_files\n"
    ".section .note.GNU-stack, \"\", %progbits\n")
