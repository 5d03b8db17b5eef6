/*
 * Redrawing a terminal without flicker: every line is written over the old one and cut to the
 * width.
 */
#ifndef MREG_FRAME_H
#define MREG_FRAME_H

#include "buf.h"

/* Turns a picture of lines into the bytes that draw it from the terminal's upper left corner, at
 * most `columns` wide and `rows` high (0: as many as there are). Escape sequences take no room;
 * a cut line ends with its colour switched off. */
void frame_draw(const char *picture, int columns, int rows, struct buf *out);

#endif
