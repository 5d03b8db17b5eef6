/*
 * Redrawing a terminal without flicker: every line is written over the old one and cut to the
 * width.
 */
#ifndef MREG_FRAME_H
#define MREG_FRAME_H

#include "buf.h"

/* Turns a picture of lines and its foot (both end with a line's end, or are "") into the bytes that
 * draw them from the terminal's upper left corner, at most `columns` wide and `rows` high (0: as
 * many as there are). When they are higher, the picture gives way, and a line says how much is
 * missing. Escape sequences take no room; a cut line ends with its colour switched off. */
void frame_draw(const char *picture, const char *foot, int columns, int rows, struct buf *out);

#endif
