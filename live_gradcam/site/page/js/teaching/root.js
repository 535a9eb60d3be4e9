/**
 * The Cholesky root of `bend * squares + penalty * 1`: coordinates in which that is a sphere.
 */
export class Root {
  /**
   * @param {Float64Array} squares `size` rows; those above the diagonal are not looked at.
   * @param {number} size
   * @param {number} bend
   * @param {number} penalty Above 0.
   */
  constructor(squares, size, bend, penalty) {
    this.size = size;
    /** Row by row, and column by column, so that both are read in their order. */
    this.rows = new Float64Array(size * size);
    this.columns = new Float64Array(size * size);
    const { rows, columns } = this;
    for (let row = 0; row < size; row++) {
      for (let column = 0; column <= row; column++) {
        let sum = bend * squares[row * size + column] + (row === column ? penalty : 0);
        for (let at = 0; at < column; at++) sum -= rows[row * size + at] * rows[column * size + at];
        const value = row === column ? Math.sqrt(sum) : sum / rows[column * size + column];
        rows[row * size + column] = value;
        columns[column * size + row] = value;
      }
    }
  }

  /** A row vector times the root, in place. @param {Float64Array} vector */
  multiply(vector) {
    const { size, columns } = this;
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let at = column; at < size; at++) sum += vector[at] * columns[column * size + at];
      vector[column] = sum;
    }
  }

  /** The row vector that times the root is this one, in place. @param {Float64Array} vector */
  divide(vector) {
    const { size, columns } = this;
    for (let column = size - 1; column >= 0; column--) {
      let sum = vector[column];
      for (let at = column + 1; at < size; at++) sum -= vector[at] * columns[column * size + at];
      vector[column] = sum / columns[column * size + column];
    }
  }

  /** The row vector that times the transposed root is this one, in place. @param {Float64Array} vector */
  divideTransposed(vector) {
    const { size, rows } = this;
    for (let column = 0; column < size; column++) {
      let sum = vector[column];
      for (let at = 0; at < column; at++) sum -= vector[at] * rows[column * size + at];
      vector[column] = sum / rows[column * size + column];
    }
  }
}
